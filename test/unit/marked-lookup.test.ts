/** Names asked for past the tunnel: sources, servers, search lists and answers, with servers that only pretend. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode, encode, type Answer } from "dns-packet";
import t, { type Test } from "tap";
import { candidates, lookUpMarked, type NameQuestion } from "../../lib/names/marked-lookup.js";
import { parseResolvConf, readHosts, readResolverSettings, readSources } from "../../lib/names/resolver-files.js";

type Reply = { answers?: Answer[]; rcode?: number; truncated?: boolean; question?: string } | "silent";

interface Written {
  resolv?: string;
  behindStub?: string;
  hosts?: string;
  nsswitch?: string;
}

/** A machine with these files, and servers that answer by `reply(server, name, type)`. */
function machine(t: Test, written: Written, reply: (server: string, name: string, type: string) => Reply) {
  const folder = t.testdir();
  const file = (name: keyof Written) => {
    const path = join(folder, name);
    if (written[name] !== undefined) writeFileSync(path, written[name]);
    return path;
  };
  const asked: string[] = [];
  const marks = new Set<number>();
  const system: string[] = [];
  const parts = {
    files: {
      resolvConf: file("resolv"),
      behindStub: file("behindStub"),
      hosts: file("hosts"),
      nsswitch: file("nsswitch"),
    },
    ask: ({ server, message, tcp, fwmark }: NameQuestion): Promise<Uint8Array> => {
      const query = decode(Buffer.from(message));
      const [question] = query.questions ?? [];
      marks.add(fwmark);
      asked.push(`${server} ${question!.name} ${question!.type}${tcp ? " tcp" : ""}`);
      const said = reply(server, question!.name, question!.type);
      if (said === "silent") return Promise.reject(new Error("timed out"));
      // RA and RD; TC where it was cut.
      const flags = 0x180 | (said.truncated === true && !tcp ? 0x200 : 0) | (said.rcode ?? 0);
      const questions = [{ ...question!, name: said.question ?? question!.name }];
      const cut = said.truncated === true && !tcp;
      return Promise.resolve(
        encode({ type: "response", id: query.id!, flags, questions, answers: cut ? [] : (said.answers ?? []) }),
      );
    },
    withZone: (address: string) => address.replace("%eth0", "%2"),
    isReachable: (address: string) => !address.startsWith("2001:"),
    system: (host: string) => {
      system.push(host);
      return Promise.resolve([{ address: "198.51.100.99", family: 4 as const }]);
    },
  };
  const lookUp = (host: string, family: 0 | 4 | 6 = 0) => lookUpMarked(host, family, 5125, parts);
  return { lookUp, asked, marks, system };
}

const A = (name: string, data: string): Answer => ({ type: "A", name, data });
const AAAA = (name: string, data: string): Answer => ({ type: "AAAA", name, data });
const NXDOMAIN = { rcode: 3 };

t.test("both families at once with the mark, those with a route first, aliases followed", async (t) => {
  const { lookUp, asked, marks, system } = machine(t, { resolv: "nameserver 192.0.2.53\n" }, (_server, name, type) => ({
    answers:
      type === "A"
        ? [{ type: "CNAME", name, data: "real.test" }, A("real.test", "198.51.100.1"), A("real.test", "198.51.100.2")]
        : [AAAA(name, "2001:db8::1"), AAAA(name, "fd00::1")],
  }));
  t.same(
    (await lookUp("home.test")).map(({ address }) => address),
    ["fd00::1", "198.51.100.1", "198.51.100.2", "2001:db8::1"],
  );
  t.same(asked, ["192.0.2.53:53 home.test AAAA", "192.0.2.53:53 home.test A"]);
  t.same([...marks], [5125]);
  t.same(system, []);
  asked.length = 0;
  t.same(await lookUp("home.test", 4), [
    { address: "198.51.100.1", family: 4 },
    { address: "198.51.100.2", family: 4 },
  ]);
  t.equal(asked.length, 1);
});

t.test("/etc/hosts goes first, where nsswitch.conf says so", async (t) => {
  const hosts = "127.0.0.1 localhost # home.test\n198.51.100.7\tHome.TEST home\nfd00::7 home.test\n";
  const reply = () => ({ answers: [A("home.test", "198.51.100.1")] });
  const first = machine(t, { hosts, nsswitch: "hosts: files dns\n" }, reply);
  t.same(
    (await first.lookUp("home.test")).map(({ address }) => address),
    ["198.51.100.7", "fd00::7"],
  );
  t.same(first.asked, []);
  const last = machine(t, { hosts, nsswitch: "passwd: files\nhosts: dns [!UNAVAIL=return] files\n" }, reply);
  t.same(await last.lookUp("home.test", 4), [{ address: "198.51.100.1", family: 4 }]);
});

t.test("a server that is silent, fails or answers something else: the next, in rounds", async (t) => {
  const resolv = "nameserver 192.0.2.1\nnameserver fe80::53%eth0\nnameserver 192.0.2.3\noptions attempts:2\n";
  const { lookUp, asked } = machine(t, { resolv }, (server, _name, type) => {
    if (server.startsWith("192.0.2.1")) return "silent";
    if (server.startsWith("[fe80::53%2]")) return type === "A" ? { rcode: 2 } : { question: "evil.test" };
    return { answers: [A("home.test", "198.51.100.1")] };
  });
  t.same(await lookUp("home.test", 4), [{ address: "198.51.100.1", family: 4 }]);
  t.same(asked, ["192.0.2.1:53 home.test A", "[fe80::53%2]:53 home.test A", "192.0.2.3:53 home.test A"]);
  const dead = machine(t, { resolv }, () => "silent");
  t.same(await dead.lookUp("home.test", 4), [{ address: "198.51.100.99", family: 4 }], "the system is the last resort");
  t.equal(dead.asked.length, 6);
  t.same(dead.system, ["home.test"]);
});

t.test("no such name is an answer; another source may still have it", async (t) => {
  const reply = () => NXDOMAIN;
  const plain = machine(t, { resolv: "nameserver 192.0.2.1\nsearch .\n" }, reply);
  await t.rejects(plain.lookUp("home.test"), { message: "there is no such name" });
  t.equal(plain.asked.length, 2, "nobody is asked twice");
  t.same(plain.system, []);
  const more = machine(t, { nsswitch: "hosts: files mdns4_minimal [NOTFOUND=return] dns\n" }, reply);
  await more.lookUp("home.test");
  t.same(more.system, ["home.test"]);
});

t.test("an answer that was cut short is asked for over TCP", async (t) => {
  const { lookUp, asked } = machine(t, { resolv: "nameserver 192.0.2.1\n" }, (_server, name) => ({
    answers: [A(name, "198.51.100.1")],
    truncated: true,
  }));
  t.equal((await lookUp("home.test", 4)).length, 1);
  t.same(asked, ["192.0.2.1:53 home.test A", "192.0.2.1:53 home.test A tcp"]);
});

t.test("the search list and ndots", async (t) => {
  const resolv = "nameserver 192.0.2.1\nsearch a.test b.test.\n";
  const { lookUp, asked } = machine(t, { resolv }, (_server, name) =>
    name === "home.b.test" ? { answers: [A(name, "198.51.100.1")] } : NXDOMAIN,
  );
  t.equal((await lookUp("home", 4)).length, 1);
  t.same(asked, ["192.0.2.1:53 home.a.test A", "192.0.2.1:53 home.b.test A"]);
  t.same(candidates("a.b", { search: ["x"], ndots: 1 }), ["a.b", "a.b.x"]);
  t.same(candidates("a.b", { search: ["x"], ndots: 2 }), ["a.b.x", "a.b"]);
  t.same(candidates("a.b.", { search: ["x"], ndots: 2 }), ["a.b"]);
});

t.test("systemd-resolved's stub is asked first, and then whom it would have asked", async (t) => {
  const written = { resolv: "nameserver 127.0.0.53\n", behindStub: "nameserver 192.0.2.1\nnameserver 127.0.0.1\n" };
  const { lookUp, asked } = machine(t, written, (server, name) =>
    server.startsWith("127.") ? { rcode: 2 } : { answers: [A(name, "198.51.100.1")] },
  );
  t.equal((await lookUp("home.test", 4)).length, 1);
  t.same(asked, ["127.0.0.53:53 home.test A", "192.0.2.1:53 home.test A"]);
});

t.test("resolv.conf", async (t) => {
  const text =
    "# nameserver 192.0.2.9\n; nothing\nnameserver 192.0.2.1 # the first\nnameserver nonsense\n" +
    "nameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\ndomain old.test\nsearch a.test b.test\n" +
    "options ndots:99 timeout:1 attempts:9 rotate use-vc edns0 timeout:x\n";
  t.same(parseResolvConf(text, "m"), {
    servers: ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    search: ["a.test", "b.test"],
    ndots: 15,
    timeoutMs: 1000,
    attempts: 5,
    rotate: true,
    tcp: true,
  });
  t.match(parseResolvConf("", "machine.example.test"), { servers: ["127.0.0.1"], search: ["example.test"], ndots: 1 });
  t.match(parseResolvConf("search .", "machine.example.test"), { search: [] });
});

t.test("files that are not there", async (t) => {
  const files = { resolvConf: "/proc/none", behindStub: "/proc/none", hosts: "/proc/none", nsswitch: "/proc/none" };
  t.same(readSources(files), ["files", "dns"]);
  t.same(readHosts(files, "localhost", 0), []);
  t.same(readResolverSettings(files).servers, ["127.0.0.1"]);
});

t.test("an answer that is no message is one of nobody", async (t) => {
  const noise = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 37) & 0xff);
  for (const bytes of [noise(0), noise(12), noise(40), noise(512)]) {
    const found = await lookUpMarked("home.test", 4, 1, {
      files: { resolvConf: "/proc/none", behindStub: "/proc/none", hosts: "/proc/none", nsswitch: "/proc/none" },
      ask: () => Promise.resolve(bytes),
      withZone: (address) => address,
      isReachable: () => true,
      system: () => Promise.resolve([]),
    });
    t.same(found, []);
  }
});

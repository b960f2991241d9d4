/** Why there is no interface: each step that can fail says which one it was, and what to do. */
import { execFileSync } from "node:child_process";
import t, { type Test } from "tap";
import { NetnsPair } from "../../lab/host/netns.js";
import { commandOf, node, passwordFile, skip } from "./support.js";
import { EXIT_MACHINE } from "../../lib/cli/exit-codes.js";

function canSetPriv(): boolean {
  try {
    execFileSync("setpriv", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

interface Case {
  why: string;
  flags?: string[];
  /** What starts the command. */
  before?: string[];
  code: string;
  message: RegExp;
}

/** Without a capability, in whatever sets it could come back from. */
const without = (name: string) => ["setpriv", "--bounding-set", `-${name}`, "--inh-caps", `-${name}`];
const hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"];

async function refused(
  t: Test,
  { a }: NetnsPair,
  folder: string,
  { why, flags = [], before = [], code, message }: Case,
) {
  const own = ["server", "--json", "--listen-addr", `${a.ipv4}:1405`, "--no-status-socket", "--no-sched-fifo"];
  const program = node(a, commandOf([...own, "--password-file", passwordFile(folder), ...flags]), before);
  t.equal((await program.exit).code, EXIT_MACHINE, why);
  const failed = program.events.find(({ event }) => event === "error");
  t.match(failed, { code, message }, why);
  t.same(a.interfaces(), ["lo", "wire0"], "nothing is left behind");
}

t.test("each step that fails is told by its own code", { skip }, async (t) => {
  const pair = new NetnsPair();
  t.teardown(() => pair.close());
  const cases: Case[] = [
    {
      why: "another kind of interface has the name",
      flags: ["--tun-name", "wire0"],
      code: "ERR_I405_TUN_IN_USE",
      message: /--tun-name: .*wire0 exists already, and is no TUN interface/,
    },
    {
      why: "a name that the kernel keeps",
      flags: ["--tun-name", "all"],
      code: "ERR_I405_TUN_NAME",
      message: /--tun-name: .*"all".*Invalid argument/,
    },
    {
      why: "a group's address",
      flags: ["--tun-ipv4", "224.0.0.1/24"],
      code: "ERR_I405_TUN_ADDRESS",
      message: /224\.0\.0\.1\/24/,
    },
    {
      why: "a group's IPv6 address",
      flags: ["--tun-ipv4", "10.1.1.1/24", "--tun-ipv6", "ff02::1/64"],
      code: "ERR_I405_TUN_ADDRESS",
      message: /ff02::1\/64/,
    },
  ];
  if (canSetPriv()) {
    cases.push(
      {
        why: "no capability",
        before: without("net_admin"),
        code: "ERR_I405_TUN_PERMISSION",
        message: /not permitted to create a TUN interface/,
      },
      {
        why: "no /dev/net/tun",
        before: [...without("mknod"), ...hidden],
        code: "ERR_I405_TUN_DEVICE",
        message: /\/dev\/net\/tun: No such file.*modprobe tun/s,
      },
    );
  }
  const folder = t.testdir();
  for (const each of cases) await refused(t, pair, folder, each);
  pair.a.exec(["sh", "-c", "for file in all default; do echo 1 > /proc/sys/net/ipv6/conf/$file/disable_ipv6; done"]);
  await refused(t, pair, folder, {
    why: "IPv6 is off",
    flags: ["--tun-ipv6", "fd14::1/64"],
    code: "ERR_I405_TUN_IPV6",
    message: /--tun-ipv6: .*fd14::1, because IPv6 is disabled \(sysctl disable_ipv6\)/,
  });
});

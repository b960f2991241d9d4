/** The text of addresses: what is one, its zone, its network, and that what is written reads back. */
import t from "tap";
import {
  formatHostAndPort,
  isInside,
  isLinkLocal,
  isLoopback,
  parseAddress,
  parseHostAndPort,
  parsePrefix,
  travelsOverIpv4,
  zoneMistake,
} from "../../lib/common/address-text.js";
import { readHostPort } from "../../lib/common/option-readers.js";
import { formatAddress, isName, resolveAll } from "../../lib/names/resolve.js";
import { Simulation } from "../../lab/fake/addon.js";

t.test("zones: any name that an interface can have, and numbers", async (t) => {
  for (const zone of ["eth0", "2", "br-lan", "wlan0.100", "enp0s31f6", "veth_1", "Ä", "a@b"]) {
    const text = `[fe80::1%${zone}]:1405`;
    const read = parseHostAndPort(text);
    t.same(read, { host: `fe80::1%${zone}`, port: 1405 }, zone);
    t.match(parseAddress(read!.host), { family: 6, text: "fe80::1", zone }, zone);
    t.equal(formatHostAndPort(read!.host, read!.port), text, "and back");
    t.equal(readHostPort("peer", text, 1).host, `fe80::1%${zone}`);
  }
  for (const zone of ["", "a b", "a/b", "a:b", "a%b", "a]b", "sixteen-letters-"]) {
    t.equal(parseHostAndPort(`[fe80::1%${zone}]:1405`), null, `"${zone}"`);
  }
});

t.test("a link-local address needs its zone, and no other has one", async (t) => {
  t.match(zoneMistake(parseAddress("fe80::1")!), /fe80::1%eth0/);
  t.match(zoneMistake(parseAddress("2001:db8::1%eth0")!), /only link-local/);
  t.equal(zoneMistake(parseAddress("febf::1%eth0")!), null);
  t.notOk(isLinkLocal(parseAddress("fec0::1")!));
  t.notOk(isLinkLocal(parseAddress("169.254.0.1")!));
  t.throws(() => readHostPort("peer", "[fe80::1]:1405", 1), { code: "ERR_I405_OPTION", message: /%eth0/ });
  t.throws(() => readHostPort("peer", "[fd00::1%eth0]:1405", 1), {
    code: "ERR_I405_OPTION",
    message: /only link-local/,
  });
});

t.test("what looks like an address has to be one", async (t) => {
  for (const text of [
    "1.2.3:1",
    "1.2.3.400:1",
    "[1.2.3.4]:1",
    "fe80::1:1",
    "[::1]",
    "[::1]:",
    "a:b:1",
    "x:65536",
    "a%b:1",
  ]) {
    t.equal(parseHostAndPort(text), null, text);
  }
  t.same(parseHostAndPort("host.example:1"), { host: "host.example", port: 1 });
  for (const text of ["", "1.2.3.04", "0x7f.1", "::%", "1.2.3.4%eth0", ":::", "fe80::1%eth0%eth1"])
    t.equal(parseAddress(text), null, text);
});

t.test("one text for one address, and its bits", async (t) => {
  for (const [text, canonical, value] of [
    ["FD00:0405:0:0:0:0:0:1", "fd00:405::1", 0xfd000405000000000000000000000001n],
    ["::", "::", 0n],
    ["::ffff:C000:0201", "::ffff:192.0.2.1", 0xffffc0000201n],
    ["::192.0.2.1", "::192.0.2.1", 0xc0000201n],
    ["1:0:0:2::3", "1:0:0:2::3", 0x00010000000000020000000000000003n],
    ["192.0.2.1", "192.0.2.1", 0xc0000201n],
  ] as const) {
    t.match(parseAddress(text), { text: canonical, value }, text);
  }
});

t.test("prefixes", async (t) => {
  t.match(parsePrefix("10.1.2.3/8"), { network: "10.0.0.0/8", length: 8 });
  t.match(parsePrefix("fd00:405::1/33"), { network: "fd00:405::/33" });
  t.match(parsePrefix("::ffff:192.0.2.1/128"), { network: "::ffff:192.0.2.1/128" });
  for (const text of ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "::/129", "fe80::%eth0/64", "::/1/1"]) {
    t.equal(parsePrefix(text), null, text);
  }
  t.ok(isInside(parseAddress("10.255.0.1")!, parsePrefix("10.0.0.0/8")!));
  t.notOk(isInside(parseAddress("::ffff:10.0.0.1")!, parsePrefix("10.0.0.0/8")!));
  t.ok(isInside(parseAddress("::1")!, parsePrefix("::/0")!));
});

t.test("kinds of addresses", async (t) => {
  for (const address of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.9"]) t.ok(isLoopback(address), address);
  for (const address of ["0.0.0.0", "::", "10.0.0.1", "fe80::1%lo", "::127.0.0.1", "x"])
    t.notOk(isLoopback(address), address);
  for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "::FFFF:a00:1"]) t.ok(travelsOverIpv4(address), address);
  for (const address of ["::10.0.0.1", "fd00::1", "host"]) t.notOk(travelsOverIpv4(address), address);
});

t.test("a zone by name becomes a number when it is looked up, and again later", async (t) => {
  const simulation = new Simulation();
  const by = { parts: simulation.parts(), fwmark: null };
  const host = readHostPort("peer", "[fe80::1%br-lan]:1405", 1);
  await t.rejects(resolveAll([host], 0, by), { code: "ERR_I405_RESOLVE", message: /no interface "br-lan".*ip link/ });
  for (const index of [7, 9]) {
    simulation.interfaces.set("br-lan", index);
    const found = await resolveAll([host], 0, by);
    t.same(found, [{ address: `fe80::1%${index}`, family: 6, port: 1405 }]);
    const text = formatAddress(found[0]!);
    t.equal(text, `[fe80::1%${index}]:1405`);
    t.equal(readHostPort("peer", text, 1).host, `fe80::1%${index}`, "as the addon writes it, it reads back");
  }
  t.ok(isName(host), "the number may change");
  t.notOk(isName(readHostPort("peer", "[fe80::1%7]:1405", 1)));
  t.same(await resolveAll([readHostPort("peer", "[fe80::1%7]:1405", 1)], 0, by), [
    { address: "fe80::1%7", family: 6, port: 1405 },
  ]);
});

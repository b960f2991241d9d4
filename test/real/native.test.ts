import t from "tap";
import type { NativeOpenOptions } from "../../lib/native/options.js";
import type { NativeSchedule } from "../../lib/native/tunnel.js";
import { adapt, addonError, loadAddon, type NativeModule } from "../../lib/native/loader.js";

/** A module that answers every function with its name and what it was given. */
function echoingModule(handle: object): NativeModule {
  return new Proxy({} as NativeModule, {
    get: (_target, name) => (name === "open" ? () => handle : (...parameters: unknown[]) => [name, ...parameters]),
  });
}

t.test("the addon of this platform loads once, and is the one that the interface describes", async (t) => {
  const addon = await loadAddon();
  t.equal(await loadAddon(), addon);
  t.type(addon.version(), "string");
  t.equal(addon.aeads() & 1, 1, "ChaCha20-Poly1305 is always there");
  const before = process.hrtime.bigint();
  const between = addon.monotonicNs();
  t.ok(before <= between && between <= process.hrtime.bigint(), "the clock of process.hrtime");
  t.ok(addon.boottimeNs() >= between);
  t.ok(addon.routeMtu("127.0.0.1", null) >= 1500);
});

t.test("what the addon refuses has its code", async (t) => {
  const addon = await loadAddon();
  t.throws(() => addon.routeMtu("nonsense", null), { name: "I405Error", code: /^ERR_I405_/ });
});

t.test("a tunnel's functions get its handle first", async (t) => {
  const handle = {};
  const tunnel = adapt(echoingModule(handle)).open({} as NativeOpenOptions, () => undefined);
  const schedule = {} as NativeSchedule;
  t.same(tunnel.startSchedule(schedule), ["tunnelStartSchedule", handle, schedule]);
  t.same(tunnel.endAt(null), ["tunnelEndAt", handle, null]);
  t.same(tunnel.sendUnder(3, 7), ["tunnelSendUnder", handle, 3, 7]);
  t.same(tunnel.repeatControl(null), ["tunnelRepeatControl", handle, null]);
  const named = [
    "localAddress",
    "deviceName",
    "stopOffer",
    "sendClose",
    "stats",
    "deviation",
    "close",
    "ref",
    "unref",
  ] as const;
  for (const name of named) {
    t.same(tunnel[name](), [`tunnel${name.charAt(0).toUpperCase()}${name.slice(1)}`, handle]);
  }
});

t.test("an error without a code is a mistake of ours, and its cause is kept", async (t) => {
  const cause = new Error("internal error in Neon module: it panicked\nwith details");
  const broken = new Proxy({} as NativeModule, {
    get: () => () => {
      throw cause;
    },
  });
  t.throws(() => adapt(broken).routeMtu("127.0.0.1", null), {
    code: "ERR_I405_INTERNAL",
    message: "the addon failed: internal error in Neon module: it panicked",
    cause,
  });
});

t.test("a failing load names the platform and what is missing", async (t) => {
  const platform = `${process.platform}-${process.arch}`;
  const missing = addonError(new Error("Cannot find module '@i405/addon-linux-x64-gnu'\nRequire stack:"), undefined);
  t.equal(missing.code, "ERR_I405_ADDON");
  t.match(
    missing.message,
    new RegExp(`no addon for ${platform}.*: the package @i405/addon-linux-x64-gnu is not installed`),
  );
  t.notMatch(missing.message, "\n");
  t.match(
    addonError(new Error("no precompiled module found for linux-arm-gnueabihf"), undefined).message,
    /runs on Linux, x64 and arm64/,
  );
  t.match(addonError(new Error("Neon: unsupported system: sunos"), undefined).message, /runs on Linux/);
  t.match(addonError(new Error("invalid ELF header"), undefined).message, /does not load: invalid ELF header/);
  const local = addonError(new Error("Cannot find module '@i405/x'"), new Error("GLIBC_2.99 not found\nmore"));
  t.match(local.message, /index.node does not load: GLIBC_2.99 not found. Build it again/);
});

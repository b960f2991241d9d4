/** Secrets are in nothing that a program prints: objects of the public interface, their events, errors, JSON. */
import { inspect } from "node:util";
import t from "tap";
import type { I405Error } from "../../index.js";
import { generatePresharedKey, generatePrivateKey, I405Tunnel, publicKey } from "../../lib/index.js";
import { InitiatorHandshake } from "../../lib/handshake/messages.js";
import { pairingFromKeys } from "../../lib/handshake/pairing.js";
import { spellings } from "../../lab/host/memory.js";

const [clientKey, serverKey, presharedKey] = [generatePrivateKey(), generatePrivateKey(), generatePresharedKey()];
const PASSWORD = "correct-horse-battery-staple";

/** As a debugger's user would: everything, as deep as it goes. */
function shown(value: unknown): string {
  const texts = [inspect(value, { depth: Infinity, showHidden: true, getters: true, maxArrayLength: null })];
  try {
    texts.push(JSON.stringify(value), String(value));
  } catch {
    // Circular, or without a conversion: then it can't be printed that way either.
  }
  return texts.join("\n");
}

function leaks(text: string): string[] {
  const keys = [clientKey, serverKey, presharedKey].map((key) => Buffer.from(key, "base64"));
  const found = keys.flatMap((key) => {
    // Numbers in columns, as an array of bytes is shown.
    const decimal = new RegExp([...key].slice(0, 8).join(",\\s+"));
    const grouped = [...key.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const all = [...spellings(key)].map(([name, needle]) => [name, needle.toString("latin1")] as const);
    const names = [...all, ["hex with spaces", grouped] as const]
      .filter(([, needle]) => text.includes(needle))
      .map(([name]) => name);
    return decimal.test(text) ? [...names, "decimal"] : names;
  });
  return text.includes(PASSWORD) ? [...found, "password"] : found;
}

t.test("the search finds what is there", async (t) => {
  const bytes = Buffer.from(clientKey, "base64");
  for (const value of [clientKey, bytes, Uint8Array.from(bytes), { a: [bytes.toString("hex")] }, PASSWORD]) {
    t.not(leaks(shown(value)).length, 0);
  }
});

t.test("a connected tunnel, its events and its figures", async (t) => {
  const told: unknown[] = [];
  const tunnels = [new I405Tunnel({ schedFifo: false }), new I405Tunnel({ schedFifo: false })];
  t.teardown(() => Promise.all(tunnels.map((tunnel) => tunnel.close())));
  const [server, client] = tunnels as [I405Tunnel, I405Tunnel];
  for (const name of ["connected", "warning", "disconnected", "silent", "heard", "deviation", "close"] as const) {
    for (const tunnel of tunnels) tunnel.on(name, (...values: unknown[]) => told.push(...values));
  }
  const key = (privateKey: string, peer: string) => ({ privateKey, peerPublicKey: publicKey(peer), presharedKey });
  await server.listen({ address: "127.0.0.1:0", key: key(serverKey, clientKey) });
  const peer = server.localAddress!;
  const connection = await client.connect({ peer, key: key(clientKey, serverKey), up: { interval: "5ms" } });
  for (const value of [...tunnels, connection, ...told, client.stats(), server.stats(), client.stream()]) {
    t.same(leaks(shown(value)), []);
  }
  await client.close();
  t.same(leaks(shown([...tunnels, ...told])), [], "nor afterwards");
});

t.test("what holds keys inside", async (t) => {
  const pairing = pairingFromKeys("client", {
    privateKey: clientKey,
    peerPublicKey: publicKey(serverKey),
    presharedKey,
  });
  const way = { length: 1500, intervalNs: 1e6, jitterNs: 0, jitterShape: "cos4" as const };
  const timeouts = { clientTimeoutMs: 1000, serverTimeoutMs: 1000 };
  const handshake = new InitiatorHandshake(pairing, Date.now(), {
    aeads: 3,
    wire: { up: way, down: way },
    ...timeouts,
  });
  for (const value of [pairing, { pairing }, handshake]) t.same(leaks(shown(value)), []);
});

t.test("errors about secrets", async (t) => {
  const wrong = [
    { key: { privateKey: clientKey.slice(1), peerPublicKey: publicKey(serverKey) } },
    {
      key: {
        privateKey: clientKey,
        peerPublicKey: publicKey(serverKey),
        presharedKey: `${presharedKey}${presharedKey}`,
      },
    },
    { key: { privateKey: clientKey, peerPublicKey: publicKey(serverKey), extra: presharedKey } },
    { key: [clientKey] },
    { key: clientKey },
    { password: [PASSWORD] },
    { password: PASSWORD, key: { privateKey: clientKey, peerPublicKey: publicKey(serverKey) } },
  ];
  for (const credentials of wrong) {
    const tunnel = new I405Tunnel();
    const error = await tunnel.connect({ peer: "127.0.0.1:9", ...credentials } as never).then(
      () => undefined,
      (refused: unknown) => refused as I405Error,
    );
    const message = error?.message ?? "no error";
    t.match(error?.code, /^ERR_I405_(KEY|OPTION)$/);
    // A copy of the wrong length still is most of the secret.
    t.notOk(shown(error).includes(clientKey.slice(2, 30)), message);
    t.same(leaks(shown(error)), [], message);
  }
});

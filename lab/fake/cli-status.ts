/** Status sockets of a tunnel that is none, for tests of who may ask and what is answered. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { nameOf } from "../../lib/cli/status/places.js";
import { serveStatus } from "../../lib/cli/status/server.js";
import { Photographer } from "../../lib/cli/status/snapshot.js";
import { loadAddon } from "../../lib/native/loader.js";
import { CONNECTION, PretendTunnel, pretendWorld, type PretendWorld } from "./cli-world.js";

const addon = await loadAddon();
const TAIL = { p50: 3, p90: 4, p99: 5, p999: 6, max: 7 };
export const DEVIATION = { source: "call", count: 9, mean: 1, stddev: 2, ...TAIL, missed: 8, unreported: 0 };

/** A folder that any user can look into, for paths that stay short enough. */
export function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "i405-status-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  return folder;
}

/** Takes snapshots of a tunnel that is connected. */
export function photographer(name = "client-1") {
  const tunnel = new PretendTunnel({});
  const facts = { name, command: "client", pollMode: "dozy", address: "203.0.113.7:1405" } as const;
  const records = [{ time: "2026-01-02T03:04:05.678Z", level: "info", event: "heard", text: "there again" }] as const;
  const taker = new Photographer(tunnel, facts, records);
  tunnel.state = "connected";
  tunnel.connection = CONNECTION;
  tunnel.deviceName = "tun-x";
  tunnel.emit("deviation", DEVIATION);
  return taker;
}

/** A status socket that is closed with the test. */
export async function serve(t: Test, path: string, changes: Partial<Parameters<typeof serveStatus>[0]> = {}) {
  const taker = photographer(nameOf(path));
  const peer = (fd: number) => addon.peerCredentials(fd);
  const server = await serveStatus({ path, ownFolder: false, snapshot: () => taker.take(), peer, ...changes });
  t.teardown(() => server.close());
  return server;
}

/** Runs `i405 status` where tunnels have their sockets in this folder. */
export async function status(folder: string, ...parameters: string[]): Promise<PretendWorld & { code: number }> {
  const world = pretendWorld();
  world.statusPlaces = { own: folder, search: [folder] };
  const code = await runCli(["status", ...parameters], world);
  return { ...world, code };
}

/** A plain client with somebody on its way to the server: who copies what it sends, ahead of it, and may keep it back. */
import { PlainClient } from "./client.js";
import type { PlainEnd } from "./end.js";

export class WatchedClient extends PlainClient {
  /** Everything is sent from these as well. */
  copiers: PlainEnd[] = [];
  /** So much later does the genuine datagram leave, ms. */
  leadMs = 0;
  /** While true, no genuine datagram leaves. */
  cut = false;

  override send(datagram: Buffer, port: number): void {
    for (const copier of this.copiers) copier.send(datagram, port);
    if (this.cut) return;
    if (this.leadMs === 0) super.send(datagram, port);
    else setTimeout(() => super.send(datagram, port), this.leadMs);
  }
}

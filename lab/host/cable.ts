/** What happens to the cable between two namespaces while something runs over it. */
import type { NetnsPair } from "./netns.js";

/** The cable is gone, both ends of it, with their addresses and routes. */
export function cutCable({ a }: NetnsPair): void {
  a.ip([`link delete ${a.device}`]);
}

/** A new one with the same names and addresses. */
export function newCable({ a, b }: NetnsPair): void {
  a.ip([`link add name ${a.device} type veth peer name ${b.device} netns ${b.name}`]);
  for (const side of [a, b]) {
    side.ip([
      `link set ${side.device} addrgenmode none`,
      `link set ${side.device} up`,
      `address add ${side.ipv4}/24 dev ${side.device}`,
      `address add ${side.ipv6}/64 dev ${side.device} nodad`,
    ]);
  }
}

/** Both ends carry no more than this, bytes; what is longer is refused where it is sent. */
export function narrowCable({ a, b }: NetnsPair, mtu: number): void {
  for (const side of [a, b]) side.ip([`link set ${side.device} mtu ${mtu}`]);
}

/** Side a's IPv4 address becomes another one of the same network. */
export function moveClient({ a }: NetnsPair, address: string): void {
  // In this order: with the first address of a network its others go too.
  a.ip([`address delete ${a.ipv4}/24 dev ${a.device}`, `address add ${address}/24 dev ${a.device}`]);
}

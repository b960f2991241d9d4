/** What the readers of both formats give: packets one by one, and what is known of the file. */

/** One packet where it lies in the reader's buffer; valid during the call only. */
export interface RawPacket {
  /** Nanoseconds since `originS`. */
  timeNs: number;
  /** Unix seconds, the first packet's without the fraction. */
  originS: number;
  /** LINKTYPE, as registered with tcpdump.org. */
  linkType: number;
  /** Of pcapng, the number in its section; 0 in pcap. */
  interfaceId: number;
  bytes: Buffer;
  start: number;
  /** One past the last byte that was kept. */
  end: number;
}

/** Told each packet; returning false ends the reading. */
export type EachPacket = (packet: RawPacket) => boolean;

/** What is known of the file as a whole once it is read. */
export interface CaptureFile {
  format: "pcap" | "pcapng";
  /** Unix seconds that times count from; 0 if there is no packet. */
  originS: number;
  /** Coarsest timestamps of the file, nanoseconds. */
  resolutionNs: number;
  packets: number;
  /** Packets that were captured without a time, and are not among the others (simple packet blocks). */
  untimed: number;
  /** The file ends within a record, as it does when a capture is killed. What came before was read. */
  cutOff: boolean;
}

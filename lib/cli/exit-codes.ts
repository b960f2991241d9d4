/** How `i405` ends. Documented in `--help` and docs; scripts rely on them. */

export const EXIT_OK = 0;
/** A mistake of ours, or a tunnel that failed while it ran. */
export const EXIT_FAILED = 1;
/** Flags, config file, keys: nothing was opened. */
export const EXIT_USAGE = 2;
/** This machine: privileges, an address or interface in use, a missing addon. */
export const EXIT_MACHINE = 3;
/** The other end: no session in time, refused, another version. */
export const EXIT_PEER = 4;
/** `i405 doctor` found something that costs lateness or leaks; `i405 audit` an n95 under --fail-under. */
export const EXIT_WARNING = 5;
/** `i405 doctor` found something that spoils the purpose. */
export const EXIT_PROBLEM = 6;
/** `i405 audit` found nothing, but too little was seen to tell. */
export const EXIT_CANNOT_TELL = 7;
/** Added to the number of a second signal, as shells do. */
export const EXIT_SIGNAL = 128;

export const EXIT_CODES_HELP = `
Exit codes:
  0  ended as asked: SIGINT, SIGTERM or SIGHUP closed the tunnel, or there was nothing more to do
  1  the tunnel failed while it ran, or a mistake of i405's own
  2  flags, config file, keys or password: nothing was opened
  3  this machine: a privilege, an address or interface in use, a missing program or addon, output that can't be written
  4  the other end: no session in time, refused, or another protocol version
  5  i405 doctor: at least one warning, no problem; i405 audit: an n95 under --fail-under
  6  i405 doctor: at least one problem
  7  i405 audit: it cannot tell: nothing was found, but too little was seen
  128 and the signal's number: a second signal ended it at once`;

const USAGE = new Set(["USAGE", "OPTION", "KEY", "CONFIG", "SECRET_FILE", "CAPTURE", "STRETCHES"]);
const MACHINE = new Set([
  "ADDON",
  "ADDRESS",
  "ADDRESS_IN_USE",
  "AUDIT_HERE",
  "BPF",
  "CPU",
  "CPU_IN_USE",
  "DEVICE",
  "DEVICE_FD",
  "METRICS",
  "PRIVILEGES",
  "RESOLVE",
  "ROUTE",
  "ROUTE_SETUP",
  "RT_THROTTLE",
  "SCHED_FIFO",
  "SOCKET_OPTION",
  "STATE_FILE",
  "STATUS",
  "SYSTEM",
  "TUN",
  "TUN_ADDRESS",
  "TUN_DEVICE",
  "TUN_IN_USE",
  "TUN_IPV6",
  "TUN_MTU",
  "TUN_NAME",
  "TUN_PERMISSION",
  "TXTIME",
]);
const PEER = new Set(["AUDIT_PEER", "CONNECT_TIMEOUT", "PROTOCOL_VERSION", "REFUSED", "RESPONSE"]);

/** The exit code for an error's code. */
export function exitCodeOf(code: string): number {
  const name = code.replace(/^ERR_I405_/, "");
  if (USAGE.has(name)) return EXIT_USAGE;
  if (MACHINE.has(name)) return EXIT_MACHINE;
  return PEER.has(name) ? EXIT_PEER : EXIT_FAILED;
}

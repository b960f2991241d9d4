/** Errors and warnings as one or two lines, in the words of the command line. */
import { I405Error } from "../common/errors.js";
import type { Flag, TunnelCommand } from "./flag.js";
import { flagOfOption, flagsOf } from "./flags.js";
import { FROM_FLAGS, type Settings } from "./settings.js";

export interface Explained {
  code: string;
  message: string;
  /** The flag at fault, without dashes. */
  option?: string;
}

const SETCAP = "sudo setcap cap_net_admin,cap_sys_nice+ep $(readlink -f $(which node))";

/** What to do about an error whose message can't know how the program was called. */
const REMEDIES: Readonly<Record<string, string>> = {
  ERR_I405_TUN_PERMISSION: `Run it as root, or once: ${SETCAP}. Without privileges: --device packets`,
  ERR_I405_TUN_IN_USE: "Choose another with --tun-name, or end the program that has it (ip link)",
  ERR_I405_TUN_DEVICE:
    "Load the driver (modprobe tun); give a container the device /dev/net/tun. Without: --device packets",
  ERR_I405_TUN_NAME: "Choose another with --tun-name, 1 to 15 letters and digits",
  ERR_I405_TUN_IPV6:
    "Allow it (sysctl net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0), or leave --tun-ipv6 out",
  ERR_I405_TUN_ADDRESS: "Give an address that one machine can have, with the prefix of its network",
  ERR_I405_TUN_MTU: "Choose another with --tun-mtu, or leave it out",
  ERR_I405_ADDRESS_IN_USE: "Choose another port, or end the program that has it (ss -ulpn)",
  ERR_I405_ADDRESS: "Use an address of this machine (ip address), or 0.0.0.0 or [::]",
  ERR_I405_SCHED_FIFO: "Or leave --require-sched-fifo out",
  ERR_I405_ROUTE: "Check --peer and the route to it (ip route get)",
  ERR_I405_CPU: "Choose one of the allowed cores (taskset -p $$)",
};

/** The flag at fault, if the error is the machine's and names no option. */
const FLAGS_AT_FAULT: Readonly<Record<string, Readonly<Record<TunnelCommand, string>>>> = {
  ERR_I405_ADDRESS: { server: "listen-addr", client: "local-addr" },
  ERR_I405_ADDRESS_IN_USE: { server: "listen-addr", client: "local-addr" },
  ERR_I405_BPF: { server: "send-by", client: "send-by" },
  ERR_I405_CPU: { server: "cpu", client: "cpu" },
  ERR_I405_DEVICE_FD: { server: "device", client: "device" },
  ERR_I405_PRIVILEGES: { server: "user", client: "user" },
  ERR_I405_ROUTE: { server: "listen-addr", client: "peer" },
  ERR_I405_SCHED_FIFO: { server: "require-sched-fifo", client: "require-sched-fifo" },
  ERR_I405_TXTIME: { server: "send-by", client: "send-by" },
  ERR_I405_TUN: { server: "device", client: "device" },
  ERR_I405_TUN_DEVICE: { server: "device", client: "device" },
  ERR_I405_TUN_IN_USE: { server: "tun-name", client: "tun-name" },
  ERR_I405_TUN_IPV6: { server: "tun-ipv6", client: "tun-ipv6" },
  ERR_I405_TUN_MTU: { server: "tun-mtu", client: "tun-mtu" },
  ERR_I405_TUN_NAME: { server: "tun-name", client: "tun-name" },
  ERR_I405_TUN_PERMISSION: { server: "device", client: "device" },
};

/** The command line's words for words of the API, in messages that were written for programs. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:set |say )?schedFifo(?:: | to )false/g, "give --no-sched-fifo"],
  [/\b(?:set |say )?strongHost(?:: | to )false/g, "give --no-strong-host"],
  [/\b(?:set |say )?burner(?:: | to )"?(\w+)"?/g, "give --burner $1"],
  [/\bleave sendBy at "call"/g, "leave --send-by out"],
  [/\b(?:say )?sendBy(?::)? "(\w+)"/g, "--send-by $1"],
  [/\b(?:say )?deviationSource(?::)? "(\w+)"/g, "--deviation-source $1"],
  [/ \(connectTimeout\)/g, ""],
  [/\bpollMode "(\w+)"/g, "--poll-mode $1"],
];

/** An error as the user sees it. Anything that isn't an I405Error is a mistake of ours. */
export function explainError(error: unknown, command?: TunnelCommand, settings?: Settings): Explained {
  if (!(error instanceof I405Error)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { code: "ERR_I405_INTERNAL", message: `a mistake of i405's own: ${message}` };
  }
  const flag = command === undefined ? undefined : flagAtFault(error, command, settings);
  let message = error.message;
  if (flag !== undefined) {
    const source = settings?.get(flag.name)?.source ?? FROM_FLAGS;
    const prefix = `${error.option ?? ""}: `;
    const rest = message.startsWith(prefix) ? message.slice(prefix.length) : message;
    if (!rest.startsWith("--")) message = `--${flag.name}${source === FROM_FLAGS ? "" : ` in ${source}`}: ${rest}`;
  }
  const remedy = REMEDIES[error.code];
  if (remedy !== undefined) message = `${message}\n${remedy}`;
  const option = flag?.name ?? error.option;
  return { code: error.code, message: inFlags(message, command), ...(option === undefined ? {} : { option }) };
}

function flagAtFault(error: I405Error, command: TunnelCommand, settings: Settings | undefined): Flag | undefined {
  const name = FLAGS_AT_FAULT[error.code]?.[command];
  if (error.option === undefined) return flagsOf(command).find((flag) => flag.name === name);
  return flagOfOption(error.option, command, (flag) => settings?.has(flag.name) === true);
}

/** Options that a message mentions, under their flags' names. */
export function inFlags(text: string, command?: TunnelCommand): string {
  let result = text;
  for (const [word, flag] of WORDS) result = result.replace(word, flag);
  if (command === undefined) return result;
  return result.replace(/\b(?:up|down|limits)\.\w+\b/g, (option) => {
    const flag = flagOfOption(option, command);
    return flag === undefined ? option : `--${flag.name}`;
  });
}

/** `i405 client: --peer: got ... (ERR_I405_OPTION)`, the remedy on a line of its own. */
export function errorLines({ code, message }: Explained, program: string): string {
  const [first = "", ...rest] = message.split("\n");
  return [`${program}: ${first} (${code})`, ...rest.map((line) => `  ${line}`)].join("\n");
}

/** The commands as commander knows them: flags from the table, help with examples, and what each one runs. */
import { Command, Option } from "commander";
import { version } from "../common/version.js";
import { addAuditCommand } from "./audit/command.js";
import { AUDIT_TUNNEL_FLAGS, type AuditFlags } from "./audit/options.js";
import type { DoctorFlags } from "./doctor/options.js";
import { EXIT_CODES_HELP } from "./exit-codes.js";
import type { Flag, TunnelCommand } from "./flag.js";
import { flagsOf } from "./flags.js";
import { GivenFlags } from "./settings.js";

/** What was asked for on the command line. */
export type Request =
  | { command: TunnelCommand; given: GivenFlags }
  | { command: "genkey"; password: boolean; out: string | undefined }
  | { command: "genpsk"; out: string | undefined }
  | { command: "pubkey"; file: string | undefined }
  | { command: "doctor"; flags: DoctorFlags }
  | { command: "status"; name: string | undefined; json: boolean; live: boolean }
  | { command: "audit"; flags: AuditFlags; given: GivenFlags }
  | { command: "demo"; seconds: string | undefined; pollMode: string | undefined };

const EXAMPLES = `
Examples:
  i405 genkey --password --out tunnel.password          once; copy the file to the other end
  sudo i405 server --listen-addr 0.0.0.0:1405 --password-file tunnel.password --tun-ipv4 10.140.5.1/24
  sudo i405 client --peer 203.0.113.7:1405 --password-file tunnel.password --tun-ipv4 10.140.5.2/24
  i405 demo                                             two ends in one program, without privileges`;

const TUNNEL_EXAMPLES: Readonly<Record<TunnelCommand, string>> = {
  server: `
Examples:
  i405 server --listen-addr 0.0.0.0:1405 --password-file tunnel.password --tun-ipv4 10.140.5.1/24
  i405 server --listen-addr [::]:1405 --private-key-file server.key --peer-public-key ysW0...= \\
      --tun-ipv4 10.140.5.1/24 --max-down-speed 2MiB/s --poll-mode dozy
  i405 server --config /etc/i405/server.toml --json`,
  client: `
Examples:
  i405 client --peer 203.0.113.7:1405 --password-file tunnel.password --tun-ipv4 10.140.5.2/24
  i405 client --peer host.example:1405 --private-key-file client.key --peer-public-key ysW0...= \\
      --tun-ipv4 10.140.5.2/24 --route default --up-speed 100KiB/s --down-speed 1MiB/s
  i405 client --config /etc/i405/client.toml --outgoing-send-deviation-stats 10s

In a config file:
  peer = "203.0.113.7:1405"
  password-file = "/etc/i405/tunnel.password"
  tun-ipv4 = "10.140.5.2/24"
  up-packet-interval = "8.5ms"
  cpu = 1`,
};

const DOCTOR_EXAMPLES = `
Examples:
  i405 doctor                                look and measure; sudo sees more
  i405 doctor --peer 203.0.113.7:1405 --up-speed 1MiB/s --quick
  sudo i405 doctor --fix --dry-run           what --fix would change
  sudo i405 doctor --fix                     ... and change it, until
  sudo i405 doctor --undo`;

const TUNNEL_HELP = `
Words: up is client to server, down the other way; outgoing-... and incoming-... stand for up-... and down-...
Secrets: a file that others can't read, - for standard input, or I405_PASSWORD, I405_PRIVATE_KEY and
I405_PRESHARED_KEY in the environment. Flags go before the config file, which goes before the environment.`;

/** `run` gets what was asked for; parsing itself does nothing else. */
export function buildProgram(run: (request: Request) => void, write: { out: (text: string) => void }): Command {
  const program = new Command("i405")
    .description("A constant-traffic encrypted IP tunnel: the wire shows the configured bandwidth and nothing else.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print help for a command")
    .addHelpText("after", EXAMPLES)
    .addHelpText("after", EXIT_CODES_HELP);
  prepare(program, write);
  addTunnelCommand(program, "server", "wait for one client", run, write);
  addTunnelCommand(program, "client", "connect to a server", run, write);
  addKeyCommands(program, run, write);
  const demo = program
    .command("demo")
    .description("Two ends in one program, without privileges, and what somebody on the wire would see.")
    .option("--seconds <number>", "how long, 4 to 3600 (default 20)")
    .option("--poll-mode <mode>", "sleepy (default), dozy or spinny")
    .action((options: { seconds?: string; pollMode?: string }) => {
      run({ command: "demo", seconds: options.seconds, pollMode: options.pollMode });
    });
  prepare(demo, write);
  addStatusCommand(program, run, write);
  addDoctorCommand(program, run, write);
  const given = new GivenFlags();
  const audit = addAuditCommand(program, (flags) => run({ command: "audit", flags, given }));
  for (const flag of AUDIT_TUNNEL_FLAGS) addFlag(audit, flag, flag.name, false, given);
  prepare(audit, write);
  return program;
}

function addStatusCommand(
  program: Command,
  run: (request: Request) => void,
  write: { out: (text: string) => void },
): void {
  const status = program
    .command("status")
    .description("What the tunnels that run on this machine say of themselves; of other users' only as root.")
    .summary("look at running tunnels")
    .argument("[name]", "a tunnel's name, interface or process number, or the path of its socket (default: all)")
    .option("--json", "one JSON object a line for each")
    .option("--live", "a view of one, once a second, until it ends or a signal comes")
    .addHelpText("after", "\nExamples:\n  i405 status\n  i405 status tun0 --live\n  sudo i405 status --json")
    .addHelpText("after", EXIT_CODES_HELP)
    .action((name: string | undefined, { json, live }: { json?: boolean; live?: boolean }) => {
      run({ command: "status", name, json: json === true, live: live === true });
    });
  prepare(status, write);
}

function addDoctorCommand(
  program: Command,
  run: (request: Request) => void,
  write: { out: (text: string) => void },
): void {
  const doctor = program
    .command("doctor")
    .description(
      "What on this machine makes slots late or shows its load, what to do about it, and which flags suit it.",
    )
    .summary("look at this machine, and mend it")
    .option("--peer <host:port>", "look at the way to this other end (default: the default route)")
    .option("--up-speed <rate>", "outer bytes per second that this machine will send (default: 100KiB/s)")
    .option("--cpu <core>", "the timed thread's core (default: the one that is interrupted least)")
    .option("--seconds <number>", "how long to measure, 2 to 600 (default: 10)")
    .option("--no-measure", "only look, don't measure")
    .addOption(new Option("--quick", "the same as --no-measure"))
    .option("--uplink", "with --peer: send slots as far as the first router, alone and beside a flow of this machine")
    .option("--fix [names]", "change what can be put back again; all, or checks by name: --fix=all,rt-throttle")
    .option("--undo", "put back what --fix changed")
    .option("--undo-file <file>", "record of what --fix changed (default: /run/i405/doctor-undo.json)")
    .option("--dry-run", "with --fix or --undo: only say what would be done")
    .option("--json", "one JSON object")
    .addHelpText("after", DOCTOR_EXAMPLES)
    .addHelpText("after", EXIT_CODES_HELP)
    .action((flags: DoctorFlags) => run({ command: "doctor", flags }));
  prepare(doctor, write);
}

/** Errors are thrown and not printed: every message is written in one place. */
function prepare(command: Command, write: { out: (text: string) => void }): void {
  command.exitOverride().allowExcessArguments(false).showSuggestionAfterError(true);
  command.configureOutput({ writeOut: write.out, writeErr: () => undefined, outputError: () => undefined });
}

function addTunnelCommand(
  program: Command,
  name: TunnelCommand,
  description: string,
  run: (request: Request) => void,
  write: { out: (text: string) => void },
): void {
  const given = new GivenFlags();
  const command = program
    .command(name)
    .description(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`)
    .summary(description)
    .addHelpText("after", TUNNEL_HELP)
    .addHelpText("after", TUNNEL_EXAMPLES[name])
    .addHelpText("after", EXIT_CODES_HELP)
    .action(() => run({ command: name, given }));
  prepare(command, write);
  for (const flag of flagsOf(name)) {
    addFlag(command, flag, flag.name, false, given);
    for (const alias of flag.aliases ?? []) addFlag(command, flag, alias, true, given);
  }
}

function addFlag(command: Command, flag: Flag, name: string, hidden: boolean, given: GivenFlags): void {
  const option = new Option(`--${name}${flag.value === undefined ? "" : ` ${flag.value}`}`, flag.help);
  command.addOption(option.helpGroup(flag.group).hideHelp(hidden));
  command.on(`option:${option.name()}`, (text?: string) => given.add(flag, name, text));
}

function addKeyCommands(
  program: Command,
  run: (request: Request) => void,
  write: { out: (text: string) => void },
): void {
  const out = ["--out <file>", "write it to a new file that only its owner can read"] as const;
  const genkey = program
    .command("genkey")
    .description("Print a new private key; with --out the public key that belongs to it.")
    .summary("make a private key, or a password")
    .option("--password", "a password instead, for both ends")
    .option(...out)
    .addHelpText("after", "\nExamples:\n  i405 genkey --out server.key\n  i405 genkey --password --out tunnel.password")
    .action((options: { password?: boolean; out?: string }) => {
      run({ command: "genkey", password: options.password === true, out: options.out });
    });
  const pubkey = program
    .command("pubkey")
    .description("Print the public key of the private key in a file, or on standard input.")
    .summary("print the public key of a private key")
    .argument("[file]", "file with the private key (default: standard input)")
    .addHelpText("after", "\nExamples:\n  i405 pubkey server.key\n  i405 pubkey < server.key")
    .action((file: string | undefined) => run({ command: "pubkey", file }));
  const genpsk = program
    .command("genpsk")
    .description("Print a new preshared key, a second secret beside the keys.")
    .summary("make a preshared key")
    .option(...out)
    .action((options: { out?: string }) => run({ command: "genpsk", out: options.out }));
  for (const command of [genkey, pubkey, genpsk]) prepare(command, write);
}

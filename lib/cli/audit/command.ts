/** `i405 audit` as commander knows it. */
import type { Command } from "commander";
import { CONDITION_NAMES } from "../../audit/live/conditions.js";
import { EXIT_CODES_HELP } from "../exit-codes.js";
import type { AuditFlags } from "./options.js";

const EXAMPLES = `
The other end of --against answers with \`i405 audit --listen-addr\`; the tunnel's own flags are those of \`i405 client\`.
Conditions: ${CONDITION_NAMES.slice(0, 7).join(", ")},
            ${CONDITION_NAMES.slice(7).join(", ")}

The stretches file of --pcap says what was going on when, in Unix seconds of the capture's clock:
  {"stretches": [{"from": 1700000000.0, "to": 1700000030.0, "label": "idle"}, ...]}

Examples:
  sudo i405 audit --here --for 10m --poll-mode dozy --burner all --up-packet-interval 1ms --html audit.html
  i405 audit --listen-addr 0.0.0.0:1405 --password-file tunnel.password                           there
  sudo i405 audit --against 203.0.113.7:1405 --password-file tunnel.password --for 10m --capture any   here
  sudo tcpdump -i eth0 --nano -w wire.pcap udp port 1405          meanwhile, by turns: nothing, and something
  i405 audit --pcap wire.pcap --stretches stretches.json --html audit.html
  i405 audit --pcap wire.pcap --stretches stretches.json --interval 1ms --jitter 0 --assume-jitter 500us
  i405 audit --pcap wire.pcap --stretches stretches.json --json - --fail-under 1e5`;

const [CAPTURE, TUNNEL, REPORT] = ["Of a capture:", "Of a tunnel that it runs:", "The report:"];

/** The flags of the tunnel itself are added by the caller, from their table. */
export function addAuditCommand(program: Command, run: (flags: AuditFlags) => void): Command {
  const command = program
    .command("audit")
    .description(
      "How many intervals an observer of a tunnel's wire needs to tell what goes on: of a tunnel that it runs itself " +
        "under changing conditions, or from a capture of any tunnel.",
    )
    .summary("how much does a tunnel leak");
  const add = (group: string, flag: string, help: string) =>
    command.addOption(command.createOption(flag, help).helpGroup(group));
  add(TUNNEL, "--against <host:port>", "connect there, and audit what is sent meanwhile");
  add(TUNNEL, "--here", "both ends on this machine, in network namespaces; needs root");
  add(TUNNEL, "--listen-addr <address:port>", "answer the audits of another machine");
  add(TUNNEL, "--for <duration>", "how long (default: 10m)");
  add(TUNNEL, "--stretch <duration>", "length of a stretch (default: so that each condition has four)");
  add(TUNNEL, "--conditions <names>", "with commas, quiet is always among them (default: all)");
  add(TUNNEL, "--observed-at <place>", "peer (default if it answers), call, software or hardware");
  add(
    TUNNEL,
    "--capture <interface>",
    "also capture there with tcpdump, for header fields and bytes (default: none, with --here its wire)",
  );
  add(CAPTURE, "--pcap <file>", "capture of the wire, pcap or pcapng; may be a pipe, - for standard input");
  add(CAPTURE, "--stretches <file>", "JSON file: which part of the capture was made under which condition");
  add(CAPTURE, "--port <port>", "the server's UDP port (default: that of the flow that has most packets)");
  command.addOption(
    command
      .createOption("--endpoint <address[:port]>", "one end of the tunnel, twice for both (default: of that flow)")
      .argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
      .helpGroup(CAPTURE),
  );
  add(CAPTURE, "--interval <duration>", "mean interval (default: guessed)");
  add(CAPTURE, "--jitter <duration>", "half width of the jitter, 0 for none (default: guessed)");
  add(CAPTURE, "--assume-jitter <duration>", "n95 as for this jitter; for a capture without jitter");
  add(CAPTURE, "--inner-pcap <file>", "capture of what went into the tunnel at the client's end");
  add(REPORT, "--json <file>", "write it as JSON; - for standard output");
  add(REPORT, "--html <file>", "write it as a page with plots");
  add(REPORT, "--fail-under <intervals>", "exit code 5 if an n95 is under this, 7 if too little was seen to tell");
  const shapes = "cos4 or uniform; of a capture also cos2, triangular or two-step (default: cos4; guessed)";
  return command
    .option("--jitter-shape <shape>", shapes)
    .addHelpText("after", EXAMPLES)
    .addHelpText("after", EXIT_CODES_HELP)
    .action((flags: AuditFlags) => run(flags));
}

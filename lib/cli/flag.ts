/** What one flag is. The tables of flags are made of it; `flags.ts` looks things up in them. */

export type TunnelCommand = "server" | "client";

export type FlagKind = "text" | "integer" | "integers" | "texts" | "switch";

export interface Flag {
  /** Long name without dashes; the key in a config file. */
  name: string;
  /** Other names for the same thing. */
  aliases?: readonly string[];
  kind: FlagKind;
  /** Shown in help: `<bytes>`. Not for switches. */
  value?: string;
  help: string;
  group: string;
  /** Path of the option of the public API that it sets and that an error names. */
  option?: string;
  only?: TunnelCommand;
}

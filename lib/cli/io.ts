/** What the command line touches of its process, so that tests can hand in their own. */
import { Output } from "./output.js";

export interface Io {
  /** False: it could not be written. */
  out(text: string): unknown;
  err(text: string): unknown;
  environment: NodeJS.ProcessEnv;
  /** Descriptor that secrets are read from with `-`. */
  stdin: number;
  /** Size of the terminal that standard output is. null: it is no terminal. */
  terminal(): { columns: number; rows: number } | null;
}

export interface ProcessIo extends Io {
  standardOutput: Output;
}

export function processIo(): ProcessIo {
  const [output, errors] = [new Output(1, () => process.stdout), new Output(2, () => process.stderr)];
  return {
    out: (text) => output.write(text),
    err: (text) => errors.write(text),
    environment: process.env,
    stdin: 0,
    terminal: () => {
      const { size } = output;
      // A terminal that doesn't know its size says 0.
      return size && { columns: size.columns || USUAL.columns, rows: size.rows || USUAL.rows };
    },
    standardOutput: output,
  };
}

const USUAL = { columns: 80, rows: 24 };

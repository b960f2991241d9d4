/** What the command line touches of its process, so that tests can hand in their own. */

export interface Io {
  out(text: string): void;
  err(text: string): void;
  environment: NodeJS.ProcessEnv;
  /** Descriptor that secrets are read from with `-`. */
  stdin: number;
  /** Of the terminal that standard output is, or null if it is none. */
  terminal(): { columns: number; rows: number } | null;
}

export const processIo: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  environment: process.env,
  stdin: 0,
  terminal: () => {
    const { isTTY, columns, rows } = process.stdout;
    // One that doesn't know its size says 0.
    return isTTY ? { columns: columns || USUAL.columns, rows: rows || USUAL.rows } : null;
  },
};

const USUAL = { columns: 80, rows: 24 };

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
  terminal: () => (process.stdout.isTTY ? { columns: process.stdout.columns, rows: process.stdout.rows } : null),
};

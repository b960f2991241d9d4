/** Options of a bench, and its results as a table or, with `--json`, as one JSON object a line. */
import { parseArgs } from "node:util";

export type Cell = string | number | boolean | null;
export type Row = Record<string, Cell>;

/**
 * Reads `--json` and the options that `defaults` names, as numbers or, where the default is one, text.
 * An unknown one ends the program with the list.
 */
export function readOptions<T extends Record<string, number | string>>(defaults: T): T & { json: boolean } {
  const names = Object.keys(defaults);
  const flag = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const usage = () => {
    const lines = names.map((name) => `  --${flag(name)} (${defaults[name]!})`);
    return ["Options and their defaults:", "  --json", ...lines].join("\n");
  };
  try {
    const { values } = parseArgs({
      options: {
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        ...Object.fromEntries(names.map((name) => [flag(name), { type: "string" as const }])),
      },
    });
    if (values.help) {
      console.log(usage());
      process.exit(0);
    }
    const given: Record<string, string | boolean | undefined> = values;
    const read = names.map((name) => {
      const text = given[flag(name)];
      if (typeof text !== "string" || typeof defaults[name] === "string") return [name, text ?? defaults[name]];
      if (!Number.isFinite(Number(text))) throw new Error(`--${flag(name)}: a number is expected, got ${text}`);
      return [name, Number(text)];
    });
    return { ...(Object.fromEntries(read) as T), json: values.json };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage()}`);
    process.exit(2);
  }
}

function show(cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return "";
  if (typeof cell !== "number" || Number.isInteger(cell)) return String(cell);
  // Three or more digits, never an exponent that hides in a column.
  return Math.abs(cell) >= 100 ? cell.toFixed(0) : Math.abs(cell) >= 1 ? cell.toFixed(2) : cell.toFixed(4);
}

/** A table on the terminal; the columns are the fields in order of appearance. Nothing without rows. */
export function printTable(title: string, rows: readonly Row[]): void {
  if (rows.length === 0) return;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [columns, ...rows.map((row) => columns.map((column) => show(row[column])))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  const texts = rows.map((row) => columns.map((column) => typeof row[column] === "string"));
  console.log(`\n${title}`);
  lines.forEach((line, at) => {
    const cells = line.map((cell, index) => {
      const left = texts[Math.max(at - 1, 0)]![index]!;
      return left ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!);
    });
    console.log(cells.join("  ").trimEnd());
  });
}

/** Results as they come in. */
export class Report {
  readonly rows: Row[] = [];
  readonly #json: boolean;

  constructor(json: boolean) {
    this.#json = json;
  }

  /** What goes on, for the person who waits; not part of the result. */
  progress(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  add(row: Row): void {
    this.rows.push(row);
    if (this.#json) console.log(JSON.stringify(row));
    else this.progress(`  ${JSON.stringify(row)}`);
  }

  /** The table of everything added since the last one. */
  table(title: string): void {
    const rows = this.rows.splice(0);
    if (!this.#json) printTable(title, rows);
  }
}

/** Rounds for a row: digits behind the point that the figure can bear. */
export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

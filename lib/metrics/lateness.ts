/** A histogram that was counted elsewhere. prom-client's own takes only one observation after another. */
import { Histogram } from "prom-client";
import type { LatenessDistribution } from "../../index.js";

type Exported = Awaited<ReturnType<Histogram["get"]>>;
type Value = Exported["values"][number];

/** A distribution with the labels that it is to have. */
export type Labelled = readonly [labels: Readonly<Record<string, string>>, distribution: LatenessDistribution];

const NS_PER_SECOND = 1e9;

interface Config {
  name: string;
  help: string;
  labelNames: string[];
}

/** Registries render `getForPromString`, which prom-client's types don't name; `get` is for whoever wants an object. */
export class CountedHistogram extends Histogram {
  readonly #config: Config;
  readonly #read: () => readonly Labelled[];

  constructor(config: Config, read: () => readonly Labelled[]) {
    super({ ...config, registers: [] });
    this.#config = config;
    this.#read = read;
  }

  getForPromString(): Promise<Exported> {
    const { name, help } = this.#config;
    const values = this.#read().flatMap((labelled) => series(name, labelled)) as Value[];
    const exported = { name, help, type: "histogram", values, aggregator: "sum" };
    // prom-client's types want its own enumeration for the type, and a `collect` that its own metrics don't have.
    return Promise.resolve(exported as unknown as Exported);
  }

  override get(): Promise<Exported> {
    return this.getForPromString();
  }
}

/** The series of one distribution: cumulative buckets, sum, count. */
function series(name: string, [labels, { boundsNs, counts, sumNs }]: Labelled) {
  let sum = 0;
  const buckets = counts.map((count, place) => {
    sum += count;
    const boundNs = boundsNs[place];
    const le = boundNs === undefined ? "+Inf" : String(boundNs / NS_PER_SECOND);
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: sum };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: Number(sumNs) / NS_PER_SECOND },
    { metricName: `${name}_count`, labels, value: sum },
  ];
}

/**
 * Ties `index.d.ts` to `lib/`: this file fails to compile if they drift. The types proper are one and the same, because
 * `lib/` imports them from the contract; what could drift are the values: names, classes, functions.
 */
import t from "tap";
import type * as contract from "../../index.js";
import * as library from "../../lib/index.js";
import type * as libraryMetrics from "../../lib/metrics/index.js";
import type * as contractMetrics from "../../types/metrics.js";

/** Compiles only for `true`. */
type Assert<Holds extends true> = Holds;
/** Exactly one type: not even `any` passes for another. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- T is what the two are compared for
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Assignable<From, To> = [From] extends [To] ? true : false;
type Mutual<A, B> = Assignable<A, B> extends true ? Assignable<B, A> : false;

type ContractValues = typeof contract;
type LibraryValues = typeof library;

/** A method's parameters and result, where the result may be the object itself. */
type Signature<Method, Self> = Method extends (...values: infer Parameters) => infer Result
  ? { parameters: Parameters; result: [Result] extends [Self] ? "itself" : Result }
  : Method;
/** What can be seen of an object but for its emitter: no private fields, which make two classes differ by themselves. */
type Shape<Instance> = {
  [Key in Exclude<keyof Instance, EmitterKey>]: Signature<Instance[Key], Instance>;
};
type Emitter = import("typed-emitter", { with: { "resolution-mode": "require" } }).default<contract.TunnelEvents>;
type EmitterKey = keyof Emitter;

export type Checks = [
  // The same values under the same names, no more and no fewer.
  Assert<Same<keyof ContractValues, keyof LibraryValues>>,
  Assert<Same<ContractValues["version"], LibraryValues["version"]>>,
  Assert<Same<ContractValues["generatePrivateKey"], LibraryValues["generatePrivateKey"]>>,
  Assert<Same<ContractValues["generatePresharedKey"], LibraryValues["generatePresharedKey"]>>,
  Assert<Same<ContractValues["generatePassword"], LibraryValues["generatePassword"]>>,
  Assert<Same<ContractValues["publicKey"], LibraryValues["publicKey"]>>,
  Assert<Same<ContractValues["dropPrivileges"], LibraryValues["dropPrivileges"]>>,
  Assert<Same<ContractValues["forbidCoreDumps"], LibraryValues["forbidCoreDumps"]>>,

  Assert<Same<typeof contractMetrics, typeof libraryMetrics>>,
  // What an embedding program has is what metrics are made of.
  Assert<Assignable<contract.I405Tunnel, contractMetrics.MeasuredTunnel>>,

  Assert<Mutual<contract.I405Error, library.I405Error>>,
  Assert<Same<keyof contract.I405Error, keyof library.I405Error>>,
  Assert<Mutual<ConstructorParameters<typeof contract.I405Error>, ConstructorParameters<typeof library.I405Error>>>,

  Assert<Same<keyof contract.I405Tunnel, keyof library.I405Tunnel>>,
  Assert<Mutual<Shape<contract.I405Tunnel>, Shape<library.I405Tunnel>>>,
  Assert<Same<Shape<contract.I405Tunnel>, Shape<library.I405Tunnel>>>,
  Assert<Mutual<ConstructorParameters<typeof contract.I405Tunnel>, ConstructorParameters<typeof library.I405Tunnel>>>,
  // What the library makes can be used as what the contract promises, emitter and all.
  Assert<Assignable<library.I405Tunnel, contract.I405Tunnel>>,
  Assert<Assignable<library.I405Tunnel, Emitter>>,
  Assert<Assignable<contract.I405Tunnel, Emitter>>,
  Assert<Assignable<contract.I405Tunnel, AsyncDisposable>>,
  Assert<Assignable<contract.I405Tunnel, AsyncIterable<Uint8Array>>>,

  // Every exported type is exported by both.
  Assert<Same<contract.ArrivalRecords, library.ArrivalRecords>>,
  Assert<Same<contract.Capability, library.Capability>>,
  Assert<Same<contract.ConnectOptions, library.ConnectOptions>>,
  Assert<Same<contract.Connection, library.Connection>>,
  Assert<Same<contract.CredentialOptions, library.CredentialOptions>>,
  Assert<Same<contract.DepartureRecords, library.DepartureRecords>>,
  Assert<Same<contract.Deviation, library.Deviation>>,
  Assert<Same<contract.DeviationSource, library.DeviationSource>>,
  Assert<Same<contract.DeviceOptions, library.DeviceOptions>>,
  Assert<Same<contract.Duration, library.Duration>>,
  Assert<Same<contract.JitterShape, library.JitterShape>>,
  Assert<Same<contract.LatenessDistribution, library.LatenessDistribution>>,
  Assert<Same<contract.Limits, library.Limits>>,
  Assert<Same<contract.ListenOptions, library.ListenOptions>>,
  Assert<Same<contract.PollMode, library.PollMode>>,
  Assert<Same<contract.PrivilegeOptions, library.PrivilegeOptions>>,
  Assert<Same<contract.Rate, library.Rate>>,
  Assert<Same<contract.SendBy, library.SendBy>>,
  Assert<Same<contract.SlotRecords, library.SlotRecords>>,
  Assert<Same<contract.StaticKeys, library.StaticKeys>>,
  Assert<Same<contract.TunOptions, library.TunOptions>>,
  Assert<Same<contract.TunnelEvents, library.TunnelEvents>>,
  Assert<Same<contract.TunnelOptions, library.TunnelOptions>>,
  Assert<Same<contract.TunnelState, library.TunnelState>>,
  Assert<Same<contract.TunnelStats, library.TunnelStats>>,
  Assert<Same<contract.TunnelWarning, library.TunnelWarning>>,
  Assert<Same<contract.Wire, library.Wire>>,
  Assert<Same<contract.WireDirection, library.WireDirection>>,
  Assert<Same<contract.WireOptions, library.WireOptions>>,
];

t.test("the values are there at run time, and opening nothing needs no addon", async (t) => {
  const names: (keyof typeof contract)[] = [
    "I405Error",
    "I405Tunnel",
    "dropPrivileges",
    "forbidCoreDumps",
    "generatePassword",
    "generatePresharedKey",
    "generatePrivateKey",
    "publicKey",
    "version",
  ];
  t.same(Object.keys(library).sort(), names);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- that it may be is the point
  const tunnel: contract.I405Tunnel = new library.I405Tunnel({ pollMode: "dozy", schedFifo: true });
  t.equal(tunnel.state, "new");
  t.throws(() => new library.I405Tunnel({ pollMode: "lazy" } as any), { code: "ERR_I405_OPTION" });
  await tunnel.close();
  t.match(library.version, /^\d+\.\d+\.\d+/);
});

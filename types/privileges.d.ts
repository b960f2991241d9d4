/** Giving up privileges, for programs that begin with some. */

/** A capability of Linux (capabilities(7)), without `CAP_`. */
export type Capability = "net-admin" | "net-raw" | "ipc-lock" | "sys-nice";

export interface PrivilegeOptions {
  /**
   * What is left of the process's capabilities. Default: none.
   * - `"net-admin"` is needed to make a TUN interface, for `fwmark`, and for `sendBy: "txtime"` and `"kernel"`.
   * - `"sys-nice"` is needed for SCHED_FIFO by tunnels that open later. Threads that never pause (below 200 us between
   *   slots with the kernel's limits as shipped) need it as well, unless the process has an RLIMIT_RTPRIO of 45 or may
   *   raise it to that.
   */
  keep?: "all" | readonly Capability[];
  /** Name or number of the user to become; needs root. Default: the present one. Error: `ERR_I405_PRIVILEGES`. */
  user?: string;
  /**
   * Name or number of the only group. Only together with `user` (`ERR_I405_OPTION`). Default: the groups of `user`.
   * Error: `ERR_I405_PRIVILEGES`.
   */
  group?: string;
}

/** Giving up privileges, for programs that begin with some. */

/** A capability of Linux (capabilities(7)), without `CAP_`. */
export type Capability = "net-admin" | "net-raw" | "ipc-lock" | "sys-nice";

export interface PrivilegeOptions {
  /**
   * What is left of the process's capabilities. `"net-admin"` is what making a TUN interface, `fwmark` and
   * `sendBy: "txtime"` need; `"sys-nice"` what SCHED_FIFO needs for tunnels that open later, and for threads that never pause (below 200 us
   * between slots with the kernel's limits as shipped) where the process has no RLIMIT_RTPRIO of 45 and may not raise it. Default: none.
   */
  keep?: "all" | readonly Capability[];
  /** Name or number of the user to become; needs root. Default: the present one. Error: `ERR_I405_PRIVILEGES`. */
  user?: string;
  /** Name or number of the only group, beside `user` only (`ERR_I405_OPTION`). Default: the groups of `user`. Error: `ERR_I405_PRIVILEGES`. */
  group?: string;
}

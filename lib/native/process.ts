/** The part of the addon that concerns the whole process and no tunnel. */

/** A user by number. */
export interface NativeIdentity {
  uid: number;
  gid: number;
  /** All groups, the main one among them. */
  groups: number[];
}

export interface NativeProcess {
  /** Forbids core dumps of this process, and the reading of its memory by other processes of its user. */
  forbidDumps(): void;
  /** Sends one datagram to a service manager's socket: a path, or `@name`. It never waits. */
  notify(socket: string, state: string): void;
  /**
   * User and group, by name or number. A null group: the user's own groups. Throws if this process may not become that
   * user.
   */
  findUser(user: string, group: string | null): NativeIdentity;
  /**
   * Raises limits so that threads can come back to SCHED_FIFO without CAP_SYS_NICE. Says by what they can afterwards.
   */
  reserveRealtime(): "limit" | "capability" | "none";
  /** Does it for every thread, for good, once. `keep`: numbers of capabilities. `user`: null for the present one. */
  giveUpPrivileges(wanted: { keep: number[]; user: NativeIdentity | null }): void;
}

/** The flags about privileges, for `server` and `client`. */
import type { Flag } from "./flag.js";

const PRIVILEGES = "Privileges:";

export const PRIVILEGE_FLAGS: readonly Flag[] = [
  {
    name: "user",
    kind: "text",
    value: "<name[:group]>",
    help: "become this user once everything is open; needs root",
    group: PRIVILEGES,
  },
  {
    name: "keep-capabilities",
    kind: "text",
    value: "<list>",
    help: "not to give up: none (default), all, or of net-admin,net-raw,ipc-lock,sys-nice",
    group: PRIVILEGES,
  },
  {
    name: "core-dumps",
    kind: "switch",
    help: "let the kernel dump this process's memory, keys included, and debuggers attach",
    group: PRIVILEGES,
  },
];

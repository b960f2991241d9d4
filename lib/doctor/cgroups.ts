/** Where this process's control groups are mounted. */
import type { System } from "./system.js";

interface Mount {
  /** Folder of the hierarchy that is mounted. */
  root: string;
  point: string;
  type: string;
  options: readonly string[];
}

/** proc_pid_mountinfo(5). */
function mounts(system: System): Mount[] {
  return (system.readFile("/proc/self/mountinfo") ?? "").split("\n").flatMap((line) => {
    const [front = "", back = ""] = line.split(" - ");
    const [, , , root, point] = front.split(" ");
    const [type = "", , options = ""] = back.split(" ");
    return root === undefined || point === undefined ? [] : [{ root, point, type, options: options.split(",") }];
  });
}

/**
 * Folders of this process's group, from its own upwards to where the hierarchy is mounted.
 *
 * @param controller null: version 2; otherwise a version 1 hierarchy.
 */
export function groupFolders(system: System, controller: string | null): string[] {
  const own = (system.readFile("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const wanted = controller === null ? controllers === "" : controllers.split(",").includes(controller);
    return wanted && path !== "" ? [path] : [];
  })[0];
  const mount = mounts(system).find(({ type, options }) =>
    controller === null ? type === "cgroup2" : type === "cgroup" && options.includes(controller),
  );
  if (own === undefined || mount === undefined) return [];
  // In a container's own namespace the path may start above what is mounted.
  const inside = mount.root !== "/" && own.startsWith(mount.root) ? own.slice(mount.root.length) : own;
  const parts = inside.split("/").filter((part) => part !== "" && part !== "..");
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    [mount.point, ...parts.slice(0, parts.length - up)].join("/"),
  );
}

/** Whether the kernel can hold a slot until its deadline (`sendBy: "kernel"`). */
import type { Check } from "../finding.js";

export const kernelSpin: Check = {
  id: "kernel-spin",
  title: "the kernel's spin loop",
  group: "scheduling",
  look({ natives }) {
    if (natives === null) return [];
    const refusal = natives.kernelSpin();
    const evidence = "its program was loaded, and attached to the egress hook of lo";
    if (refusal === null) {
      return [{ severity: "ok", what: "the kernel can hold slots until their deadline (--send-by kernel)", evidence }];
    }
    return [
      {
        severity: "note",
        what: "the kernel can't hold slots until their deadline here (--send-by kernel)",
        cost:
          "Slots leave by the call, and what lies between that and the driver, a route, a copy, another thread, is on the " +
          "wire: some microseconds, and not the same on an idle and on a loaded machine.",
        evidence: `tried at the loopback interface: ${refusal.reason}`,
        advice: `${refusal.remedy}.`,
      },
    ];
  },
};

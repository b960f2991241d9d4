/** What a tunnel that records tells of slots and datagrams: from the addon's events to the public ones. */
import type { NativeRecords } from "../native/events.js";
import type { Voice } from "./voice.js";

/** Tells the listeners. Nobody else has the arrays, so they are handed on as they are. */
export function tellRecords(voice: Voice, event: NativeRecords): void {
  switch (event.type) {
    case "slots": {
      const { dropped, deadlineNs, calledNs, generation, counter, missed } = event;
      voice.emit("slots", { dropped, deadlineNs, calledNs, generation, counter, missed });
      break;
    }
    case "departures": {
      const { dropped, deadlineNs, leftNs } = event;
      voice.emit("departures", { dropped, deadlineNs, leftNs });
      break;
    }
    case "arrivals": {
      const { dropped, receivedNs, generation, counter } = event;
      voice.emit("arrivals", { dropped, receivedNs, generation, counter });
    }
  }
}

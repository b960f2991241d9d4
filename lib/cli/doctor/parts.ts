/** What `i405 doctor` works with. */
import type { MeasureTools } from "../../doctor/measure.js";
import type { Hands } from "../../doctor/system.js";
import type { UndoFile } from "../../doctor/undo-file.js";

/** What the doctor needs of the machine; tests hand in their own. */
export interface DoctorParts {
  hands: Hands;
  /** Null where the addon doesn't load. */
  tools: MeasureTools | null;
  undo: UndoFile;
  /** Why there are no tools. */
  addonFailure?: string;
}

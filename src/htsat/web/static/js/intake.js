/** How sound comes in: files that are chosen or dropped, and the microphone. */

import { byId, say, trying } from "./dom.js";
import { clock, recordingName } from "./format.js";
import { Recorder } from "./recorder.js";

/** @param {(files: File[]) => void} onFiles */
export function intake(onFiles) {
  chooseFiles(onFiles);
  dropFiles(onFiles);
  recordMicrophone(onFiles);
}

/** @param {(files: File[]) => void} onFiles */
function chooseFiles(onFiles) {
  const input = /** @type {HTMLInputElement} */ (byId("files"));
  for (const id of ["open-files", "choose-files"]) byId(id).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    onFiles([...(input.files ?? [])]);
    input.value = "";
  });
}

/** @param {(files: File[]) => void} onFiles */
function dropFiles(onFiles) {
  const veil = byId("drop-veil");
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => (veil.hidden = event.relatedTarget === null));
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    onFiles([...(event.dataTransfer?.files ?? [])]);
  });
}

/** @param {(files: File[]) => void} onFiles */
function recordMicrophone(onFiles) {
  const recorder = new Recorder();
  const button = byId("record");
  const level = /** @type {HTMLMeterElement} */ (byId("level"));
  const show = () => {
    button.setAttribute("aria-pressed", String(recorder.isRecording));
    byId("record-text").textContent = recorder.isRecording ? `Stop ${clock(recorder.lengthS)}` : "Record";
    level.hidden = !recorder.isRecording;
  };
  recorder.addEventListener("level", (event) => {
    level.value = Math.max(/** @type {CustomEvent} */ (event).detail, level.value * 0.98);
    show();
  });
  const toggle = () =>
    trying(async () => {
      if (!recorder.isRecording) {
        await recorder.start();
      } else if (recorder.lengthS > 0.1) {
        onFiles([new File([recorder.stop()], recordingName(new Date()), { type: "audio/wav" })]);
      } else {
        recorder.stop();
        say("The microphone gave no sound.");
      }
      show();
    });
  for (const id of ["record", "record-first"]) byId(id).addEventListener("click", toggle);
}

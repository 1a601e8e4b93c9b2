/** What a person can do with the open recording, by key or by button. @import {SoundEvent} from "./types.js" */

import { say, trying } from "./dom.js";
import { neighbour } from "./edits.js";
import { nextOpen } from "./library.js";

const STEP_S = 1;
const LONG_STEP_S = 5;
const ZOOM = 1.6;
const NEW_EVENT_S = 1;

export class Commands {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
  }

  /** Plays from the cursor, or the stretch that is marked; stops what plays. */
  playOrPause() {
    const { player, session } = this.app;
    const range = session?.range;
    if (!session || session.record.state === "failed") return;
    if (player.isPlaying) player.pause();
    else if (range) player.playStretch(range.start, range.end);
    else player.play();
  }

  hearSelected() {
    const { player, session } = this.app;
    if (session?.selected) player.playStretch(session.selected.onset, session.selected.offset);
    else this.playOrPause();
  }

  loop() {
    this.app.player.isLooping = !this.app.player.isLooping;
    this.app.showTransport();
  }

  /** @param {number} deltaS */
  seekBy(deltaS) {
    const { player, timeline, session } = this.app;
    if (!session) return;
    player.seek(Math.min(player.timeS + deltaS, session.durationS));
    timeline.setCursor(player.timeS, true);
  }

  /** @param {number} timeS */
  seekTo(timeS) {
    this.seekBy(timeS - this.app.player.timeS);
  }

  /** Selects, shows and plays an event. @param {SoundEvent} event */
  goTo(event) {
    const { session, timeline, table, player } = this.app;
    session?.select(event.id);
    timeline.setView(timeline.view.revealing(event.onset, event.offset));
    timeline.lanes.reveal(event.label);
    table.reveal(event);
    player.playStretch(event.onset, event.offset);
  }

  /** @param {1 | -1} step */
  goToNeighbour(step) {
    const { session, player } = this.app;
    const event = session && neighbour(session.shown, session.selected, player.timeS, step);
    if (event) this.goTo(event);
    else say(step > 0 ? "No later event." : "No earlier event.");
  }

  /** The next event of a class, or its empty lane with the scores. @param {string} label */
  goToClass(label) {
    const { session, player, timeline } = this.app;
    if (!session) return;
    const events = session.shown.filter((event) => event.label === label);
    const event = neighbour(events, session.selected, player.timeS, 1) ?? events[0];
    if (event) {
      this.goTo(event);
      return;
    }
    session.askFor(label);
    if (!timeline.lanes.hasAllCurves) timeline.lanes.toggleCurve(label);
    timeline.lanes.reveal(label);
  }

  deselect() {
    this.app.session?.mark(null);
  }

  /** Asks for the class of the selected event, of the marked stretch or of a new event at the cursor. */
  label() {
    const { session, editor, picker, model, player } = this.app;
    if (!session || !editor?.isAllowed()) return;
    const start = player.timeS;
    const end = Math.min(start + NEW_EVENT_S, session.durationS);
    const target = session.selected ?? session.range ?? { start: Math.min(start, end - 0.1), end };
    const used = [...new Set(session.shown.map((event) => event.label))];
    const title = session.selected ? `Instead of ${session.selected.label}` : "What sounds here?";
    picker.ask(title, model.labels, used, (label) => editor.name(target, label));
  }

  newLane() {
    const { session, picker, model, timeline } = this.app;
    picker.ask("A lane for", model.labels, [], (label) => {
      session?.askFor(label);
      timeline.lanes.reveal(label);
    });
  }

  /**
   * Does something to the selected event, if there is one that can be corrected.
   *
   * @param {(editor: import("./editor.js").Editor, event: SoundEvent) => void} edit
   */
  edit(edit) {
    const { session, editor } = this.app;
    const event = session?.selected;
    if (!event || !editor) say("Select an event first.");
    else if (editor.isAllowed()) edit(editor, event);
  }

  switchMode() {
    const { session } = this.app;
    if (!session) return;
    if (session.mode === "labels") session.setMode("heard");
    else session.startLabels();
  }

  undo() {
    this.app.session?.undo();
  }

  redo() {
    this.app.session?.redo();
  }

  /** @param {boolean} reviewed */
  review(reviewed) {
    this.app.editor?.review(reviewed);
  }

  openNext() {
    const { library, session } = this.app;
    const next = nextOpen(library.records, session?.record.id);
    if (next) void this.app.open(next);
    else say("All other recordings are reviewed.");
  }

  discardLabels() {
    void trying(async () => this.app.session?.discardLabels());
  }

  /** @param {number} factor */
  zoom(factor) {
    this.app.timeline.zoom(factor);
  }

  zoomToSelection() {
    const { session, timeline } = this.app;
    if (!session) return;
    const { selected, range } = session;
    if (selected) timeline.setView(timeline.view.fitting(selected.onset, selected.offset));
    else if (range) timeline.setView(timeline.view.fitting(range.start, range.end));
  }

  zoomToAll() {
    const { timeline } = this.app;
    timeline.setView(timeline.view.fitting(0, timeline.view.durationS));
  }

  curves() {
    const { lanes } = this.app.timeline;
    lanes.showAllCurves(!lanes.hasAllCurves);
    this.app.showTransport();
  }

  /** @returns {import("./keys.js").Key[]} */
  listeningKeys() {
    const { app } = this;
    return [
      { keys: [" "], shown: "space", text: "play, pause", run: () => this.playOrPause() },
      { keys: ["Enter"], shown: "enter", text: "hear the selected event", run: () => this.hearSelected() },
      { keys: ["n"], shown: "n", text: "hear the next event", run: () => this.goToNeighbour(1) },
      { keys: ["p"], shown: "p", text: "hear the event before", run: () => this.goToNeighbour(-1) },
      { keys: ["o"], shown: "o", text: "loop", run: () => this.loop() },
      { keys: ["ArrowLeft"], shown: "←", text: "back 1 s", run: () => this.seekBy(-STEP_S) },
      { keys: ["ArrowRight"], shown: "→", text: "on 1 s", run: () => this.seekBy(STEP_S) },
      { keys: ["Shift+ArrowLeft"], shown: "shift ←", text: "back 5 s", run: () => this.seekBy(-LONG_STEP_S) },
      { keys: ["Shift+ArrowRight"], shown: "shift →", text: "on 5 s", run: () => this.seekBy(LONG_STEP_S) },
      { keys: ["Home"], shown: "home", text: "to the beginning", run: () => this.seekTo(0) },
      { keys: ["+", "="], shown: "+", text: "closer", run: () => this.zoom(ZOOM) },
      { keys: ["-"], shown: "−", text: "farther", run: () => this.zoom(1 / ZOOM) },
      { keys: ["0"], shown: "0", text: "all of it", run: () => this.zoomToAll() },
      { keys: ["f"], shown: "f", text: "fit the selection", run: () => this.zoomToSelection() },
      { keys: ["m"], shown: "m", text: "heard events or labels", run: () => this.switchMode() },
      { keys: ["c"], shown: "c", text: "scores of all lanes", run: () => this.curves() },
      { keys: ["/"], shown: "/", text: "find a class", run: () => app.findClass() },
      { keys: ["t"], shown: "t", text: "light or dark", run: () => app.switchTheme() },
      { keys: ["?"], shown: "?", text: "these keys", run: () => app.showKeys() },
    ];
  }

  /** @returns {import("./keys.js").Key[]} */
  correctingKeys() {
    const { frame_s: frameS } = this.app.model;
    const remove = () => this.edit((editor, event) => editor.remove(event));
    const review = () => this.review(!this.app.session?.labels?.reviewed);
    return [
      {
        keys: ["l"],
        shown: "l",
        text: "name the event, the stretch, or what sounds at the cursor",
        run: () => this.label(),
      },
      { keys: ["Delete", "Backspace"], shown: "del", text: "delete the event", run: remove },
      { keys: ["["], shown: "[", text: "begin the event at the cursor", run: () => this.#setEdge("onset") },
      { keys: ["]"], shown: "]", text: "end the event at the cursor", run: () => this.#setEdge("offset") },
      {
        keys: ["Alt+ArrowLeft"],
        shown: "alt ←",
        text: "event one frame earlier",
        run: () => this.#shift(-frameS),
      },
      { keys: ["Alt+ArrowRight"], shown: "alt →", text: "event one frame later", run: () => this.#shift(frameS) },
      { keys: ["Ctrl+z"], shown: "ctrl z", text: "undo", run: () => this.undo() },
      { keys: ["Ctrl+Shift+z", "Ctrl+y"], shown: "ctrl shift z", text: "redo", run: () => this.redo() },
      { keys: ["r"], shown: "r", text: "reviewed, or not", run: review },
      { keys: ["u"], shown: "u", text: "next recording that is not reviewed", run: () => this.openNext() },
      { keys: ["Escape"], shown: "esc", text: "select nothing", run: () => this.deselect() },
    ];
  }

  /** @param {"onset" | "offset"} edge */
  #setEdge(edge) {
    this.edit((editor, event) => editor.setEdge(event, edge, this.app.player.timeS));
  }

  /** @param {number} deltaS */
  #shift(deltaS) {
    this.edit((editor, event) => editor.shift(event, deltaS));
  }
}

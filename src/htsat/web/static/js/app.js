/** The page: puts the parts together and opens recordings. @import {ModelFacts, RecordingRecord} from "./types.js" */

import * as api from "./api.js";
import { ClassesPanel } from "./classes-panel.js";
import { Commands } from "./commands.js";
import { byId, say, trying } from "./dom.js";
import { closeMenus, downloads } from "./downloads.js";
import { Editor } from "./editor.js";
import { EventsTable } from "./events-table.js";
import { clock } from "./format.js";
import { intake } from "./intake.js";
import { describeKeys, listenToKeys } from "./keys.js";
import { LabelPicker } from "./label-picker.js";
import { dragOnLanes } from "./lane-drag.js";
import { described } from "./lane-row.js";
import { Library, stateText } from "./library.js";
import { Player } from "./player.js";
import { OWN_RULES } from "./rules.js";
import { RulesPanel } from "./rules-panel.js";
import { Session } from "./session.js";
import { chooseTab, tabs } from "./tabs.js";
import { showTags } from "./tags-panel.js";
import { isDark, switchTheme, theme } from "./theme.js";
import { Timeline } from "./timeline.js";

export class App {
  /** @type {Session | null} */ session = null;
  /** @type {Editor | null} */ editor = null;
  picker = new LabelPicker();
  timeline = new Timeline(isDark);
  player = new Player(/** @type {HTMLAudioElement} */ (byId("audio")));

  /** @param {ModelFacts} model @param {Library} library */
  constructor(model, library) {
    this.model = model;
    this.library = library;
    this.commands = new Commands(this);
    this.rules = new RulesPanel(model);
    this.classes = new ClassesPanel(model);
    this.table = new EventsTable((event) => this.commands.goTo(event));
    byId("model").textContent = `${model.name} · ${model.labels.length} classes`;
    this.#listen();
  }

  /** @param {RecordingRecord} record */
  async open(record) {
    this.close();
    const choice = this.lastChoice;
    const session = new Session(record, this.model, choice);
    this.session = session;
    this.editor = new Editor(session);
    location.hash = encodeURIComponent(record.id);
    byId("welcome").hidden = true;
    byId("workbench").hidden = false;
    this.library.setCurrent(record.id);
    this.player.unload();
    for (const part of [this.timeline, this.rules, this.classes, this.table]) part.show(session);
    showTags(session, (label) => this.commands.goToClass(label));
    for (const change of ["record", "mode", "events", "selection"])
      session.addEventListener(change, () => this.showSession());
    session.saver.addEventListener("change", () => this.showSession());
    session.addEventListener("record", () => {
      this.library.update(session.record);
      this.#loadSound(session);
    });
    this.showSession();
    await trying(() => session.open());
  }

  /**
   * Sound is there when something was heard; what browsers cannot play, when the server has decoded all of it.
   *
   * @param {Session} session
   */
  #loadSound({ record }) {
    if (record.heard_s > 0 && !this.player.hasSound) this.player.load(api.audioUrl(record.id));
  }

  close() {
    this.session?.close();
    this.player.pause();
  }

  /** Rules and classes stay as they are from one recording to the next. */
  get lastChoice() {
    return this.session?.choice ?? { rules: OWN_RULES, hidden: new Set() };
  }

  /** What is written around the lanes. */
  showSession() {
    const { session } = this;
    if (!session) return;
    const { record, labels, mode, history, saver } = session;
    const hasFailed = record.state === "failed";
    document.title = `${record.name} – htsat`;
    byId("name").textContent = record.name;
    byId("name").title = record.name;
    byId("state").textContent = hasFailed ? "" : stateText(record);
    byId("failure").hidden = !hasFailed;
    byId("failure").textContent = record.error;
    byId("stage").hidden = hasFailed;
    byId("workbench").classList.toggle("failed", hasFailed);
    byId("mode-heard").setAttribute("aria-checked", String(mode === "heard"));
    byId("mode-labels").setAttribute("aria-checked", String(mode === "labels"));
    /** @type {HTMLInputElement} */ (byId("reviewed")).checked = labels?.reviewed ?? false;
    for (const [id, isUsable] of Object.entries({
      undo: history?.canUndo,
      redo: history?.canRedo,
      "start-again": labels,
      discard: labels,
      reviewed: record.state === "done",
    })) {
      /** @type {HTMLButtonElement} */ (byId(id)).disabled = !isUsable;
    }
    const saving = byId("saving");
    saving.dataset.state = labels ? saver.state : "";
    const texts = { saved: "saved", saving: "saving …", kept: "not saved yet" };
    saving.textContent = labels ? texts[saver.state] : "";
    saving.title = saver.state === "kept" ? `${saver.problem}. Kept in this browser, and tried again.` : "";
    this.#showSelection(session);
    this.showTransport();
  }

  /** @param {Session} session */
  #showSelection({ selected, range, shown, record }) {
    const marked = range && `${clock(range.start, 2)} to ${clock(range.end, 2)}`;
    byId("selection").textContent = selected ? described(selected) : (marked ?? "");
    /** @type {HTMLButtonElement} */ (byId("label")).disabled = !selected && !range;
    const isDone = record.state === "done";
    byId("no-events").textContent = shown.length
      ? ""
      : isDone
        ? "No events by these rules."
        : "Nothing heard so far.";
  }

  showTransport() {
    const { player, session } = this;
    byId("play").classList.toggle("playing", player.isPlaying);
    byId("play").setAttribute("aria-label", player.isPlaying ? "Pause" : "Play");
    byId("loop").setAttribute("aria-pressed", String(player.isLooping));
    byId("curves").setAttribute("aria-pressed", String(this.timeline.lanes.hasAllCurves));
    byId("clock").textContent = clock(player.timeS, 2);
    byId("length").textContent = `of ${clock(session?.durationS ?? 0)}`;
  }

  switchTheme() {
    switchTheme();
    this.timeline.draw();
  }

  findClass() {
    chooseTab(byId("tab-classes"));
    byId("find-class").focus();
  }

  showKeys() {
    describeKeys(this.commands.listeningKeys(), this.commands.correctingKeys());
    /** @type {HTMLDialogElement} */ (byId("keys")).showModal();
  }

  /** Opens what was asked for meanwhile, else what the address names, else the first recording there is. */
  async start() {
    await this.library.follow();
    if (this.session) return;
    const { records, askedId } = this.library;
    const id = askedId ?? decodeURIComponent(location.hash.slice(1));
    const first = records.find((record) => record.id === id) ?? records.find(({ state }) => state !== "failed");
    if (first) await this.open(first);
  }

  /** Leaves it first: what is under way would be answered that there is no such recording. */
  async #remove() {
    const { session } = this;
    if (!session) return;
    this.#leave();
    await api.removeRecording(session.record.id);
    session.saver.forget();
    this.library.forget(session.record.id);
  }

  #leave() {
    this.close();
    this.player.unload();
    this.timeline.hide();
    this.session = this.editor = null;
    this.library.setCurrent(undefined);
    byId("workbench").hidden = true;
    byId("welcome").hidden = false;
    location.hash = "";
  }

  #listen() {
    const { commands, player, timeline, library } = this;
    theme(() => timeline.draw());
    downloads(() => this.session);
    closeMenus();
    tabs(/** @type {HTMLElement} */ (document.querySelector(".tabs")));
    listenToKeys([...commands.listeningKeys(), ...commands.correctingKeys()]);
    dragOnLanes(byId("lanes"), timeline, player, () => this.editor);
    library.addEventListener("open", (event) => void this.open(/** @type {CustomEvent} */ (event).detail));
    timeline.addEventListener("seek", (event) => player.seek(/** @type {CustomEvent} */ (event).detail));
    player.addEventListener("refused", (event) => say(/** @type {CustomEvent} */ (event).detail));
    for (const change of ["time", "state"]) player.addEventListener(change, () => this.showTransport());
    player.addEventListener("time", () => timeline.setCursor(player.timeS, player.isPlaying));
    window.addEventListener("online", () => void this.session?.saver.send());
    window.addEventListener("pagehide", () => void this.session?.saver.send());
    this.#listenToButtons();
  }

  #listenToButtons() {
    const { commands, player } = this;
    const reviewed = /** @type {HTMLInputElement} */ (byId("reviewed"));
    reviewed.addEventListener("change", () => commands.review(reviewed.checked));
    byId("rate").addEventListener(
      "change",
      (event) => (player.audio.playbackRate = Number(/** @type {HTMLSelectElement} */ (event.target).value)),
    );
    byId("volume").addEventListener(
      "input",
      (event) => (player.audio.volume = /** @type {HTMLInputElement} */ (event.target).valueAsNumber),
    );
    for (const [id, run] of Object.entries({
      play: () => commands.playOrPause(),
      loop: () => commands.loop(),
      label: () => commands.label(),
      curves: () => commands.curves(),
      "zoom-in": () => commands.zoom(2),
      "zoom-out": () => commands.zoom(0.5),
      "zoom-all": () => commands.zoomToAll(),
      "new-lane": () => commands.newLane(),
      "mode-heard": () => this.session?.setMode("heard"),
      "mode-labels": () => this.session?.startLabels(),
      undo: () => commands.undo(),
      redo: () => commands.redo(),
      "start-again": () => this.editor?.startAgain(),
      discard: () => commands.discardLabels(),
      remove: () => trying(() => this.#remove()),
      theme: () => this.switchTheme(),
      help: () => this.showKeys(),
      copy: () => trying(() => navigator.clipboard.writeText(byId("command").textContent ?? "")),
    })) {
      byId(id).addEventListener("click", run);
    }
  }
}

// Files may come before the server has told of its model: they are taken from the first moment on.
const library = new Library();
intake((files) => void library.upload(files));
await trying(async () => new App(await api.model(), library).start());

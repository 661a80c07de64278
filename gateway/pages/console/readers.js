// Readers: enrolment, what was heard of them, replacement, revocation.

import { read, send, whole } from "./api.js";
import { choice, confirm, dialog, field, form, h, say, table } from "./dom.js";
import { REPORT, machineName, money, since, time } from "./words.js";

export async function readers({ again }) {
  const [lines, machines] = await Promise.all([whole("/v1/readers"), whole("/v1/machines")]);
  const names = new Map(machines.map((one) => [one.machine, one]));
  return [
    h("div", { class: "head" }, h("h1", {}, "Readers"), h("a", { class: "button", href: "/technician" }, "At the machine")),
    h("section", { class: "sheet", "aria-label": "All readers" }, table({
      caption: `${lines.length} ${lines.length === 1 ? "reader" : "readers"}`,
      columns: [
        { title: "Reader", cell: (line) => h("span", { class: "code" }, line.reader_id) },
        { title: "Machine", cell: (line) => (line.machine === null ? "" : h("a", { href: `#/machines/${line.machine}` }, machineName(names.get(line.machine) ?? line))) },
        { title: "State", tight: true, cell: (line) => [stateChip(line.state), line.contradiction && h("span", { class: "chip bad", title: "Its journal contradicts what it told before" }, "contradicts itself")] },
        { title: "Last heard", cell: (line) => since(line.last_seen_ms) },
        { title: "Firmware", number: true, cell: (line) => line.firmware ?? "" },
        { title: "Starts", number: true, cell: (line) => line.boot ?? "" },
        { title: "Receipts waiting", number: true, cell: (line) => line.receipts_waiting ?? "" },
        { title: "", tight: true, cell: (line) => actions(line, again) },
      ],
      lines,
      empty: "No reader is enrolled yet. Enrol the first one below.",
    })),
    enrol(machines, again),
  ];
}

function stateChip(state) {
  const tone = { active: "good", pending: "warn", revoked: "bad" }[state] ?? "";
  const meaning = { pending: "enrolled, not heard yet", revoked: "trusted no more" }[state];
  return h("span", { class: `chip ${tone}`, title: meaning }, state);
}

const HINT = "as “gettone-reader enrol” shows it";

function keyFields() {
  return [
    field("Public key", h("input", { name: "public_key", class: "code", required: true, pattern: "\\s*[0-9a-fA-F]{64}\\s*", autocomplete: "off", spellcheck: "false", title: "64 hexadecimal digits" }), `64 digits, ${HINT}`),
    field("Claim code", h("input", { name: "claim_code", class: "code", required: true, autocomplete: "off", spellcheck: "false" }), HINT),
  ];
}

function keys(values) {
  return { public_key: values.public_key.trim().toLowerCase(), claim_code: values.claim_code.trim() };
}

/** What the reader has to be told to trust this server. */
function enrolled(answer) {
  return [
    h("p", {}, "Save this answer, bring it to the board, and give it to the same command:"),
    h("p", { class: "code" }, "gettone-reader enrol --machine … --answer answer.json"),
    h("dl", { class: "pairs" },
      h("dt", {}, "reader"), h("dd", { class: "code" }, answer.reader_id),
      h("dt", {}, "server key"), h("dd", { class: "code" }, answer.server_public_key),
      h("dt", {}, "server epoch"), h("dd", { class: "code" }, answer.server_epoch),
      h("dt", {}, "operator"), h("dd", { class: "code" }, answer.operator)),
  ];
}

function told(title, answer, again) {
  const file = URL.createObjectURL(new Blob([JSON.stringify(answer)], { type: "application/json" }));
  dialog(title, (close) => [
    enrolled(answer),
    h("div", { class: "actions" },
      h("a", { class: "button", href: file, download: "answer.json" }, "Save answer.json"),
      h("button", { type: "button", class: "main", onclick: close }, "Done")),
  ]).addEventListener("close", () => {
    URL.revokeObjectURL(file);
    again();
  });
}

function enrol(machines, again) {
  return h("section", { class: "sheet", "aria-label": "Enrol a reader" },
    h("h2", {}, "Enrol a reader"),
    machines.length === 0
      ? h("p", { class: "empty" }, "Register its machine first, under “Machines”.")
      : form({
        fields: [
          field("Machine", choice("machine", machines.map((one) => [String(one.machine), `${machineName(one)}${one.reader ? ", has a reader" : ""}`]))),
          keyFields(),
        ],
        submit: "Enrol",
        send: async (values) => {
          const answer = await send("/v1/readers", { ...keys(values), machine: Number(values.machine) });
          told("The reader is enrolled", answer, again);
        },
      }));
}

function actions(line, again) {
  if (line.state === "revoked") return [trust(line, again), h("button", { type: "button", onclick: () => untrusted(line) }, "What it told")];
  return [
    trust(line, again),
    h("button", { type: "button", onclick: () => diagnose(line) }, REPORT.show), " ",
    h("button", { type: "button", onclick: () => replace(line, again) }, "Replace"), " ",
    h("button", { type: "button", class: "grave", onclick: () => confirm({
      title: "Revoke this reader?",
      words: "It gets no grants any more, and what it reports from now on waits for your review. It cannot be taken back: a revoked reader needs a new key.",
      yes: "Revoke",
      act: async () => {
        await send(`/v1/readers/${line.reader_id}/revoke`);
        say("The reader is revoked.");
        again();
      },
    }) }, "Revoke"),
  ];
}

/** Somebody has looked which machine the reader is, or was, in. */
function trust(line, again) {
  if (!line.controller_doubted) return "";
  return [h("button", { type: "button", "data-name": "confirm", onclick: () => confirm({
    title: "Was it the right machine?",
    words: "The reader named another controller than before: the machine's inside was exchanged, or the board stood in another machine. If what it sold since then was this machine's, confirm it: the marks on those sales go. If not, leave them marked, and give the money back under “Refunds”.",
    yes: "Confirm",
    act: async () => {
      await send(`/v1/readers/${line.reader_id}/confirm`);
      say("The reader's machine is confirmed.");
      again();
    },
  }) }, "Confirm machine"), " "];
}

/** What a revoked reader told, without effect. */
async function untrusted(line) {
  let lines;
  try {
    ({ lines } = await read(`/v1/readers/${line.reader_id}/receipts`));
  } catch (fault) {
    say(fault.message);
    return;
  }
  dialog("What it told since it was revoked", (close) => [
    h("p", {}, "None of it moved money. A board that is trusted no more may lie: compare with the machine before you give anything back or charge anybody."),
    table({
      caption: `${lines.length} ${lines.length === 1 ? "receipt" : "receipts"}`,
      columns: [
        { title: "Came", tight: true, cell: (one) => time(one.came_at_ms) },
        { title: "Number", number: true, cell: (one) => one.rseq },
        { title: "Says", cell: (one) => one.kind.replaceAll("_", " ") },
        { title: "Selection", number: true, cell: (one) => one.item },
        { title: "Amount", number: true, cell: (one) => money(one.amount, one.currency) },
      ],
      lines,
      empty: "Nothing.",
    }),
    h("div", { class: "actions" }, h("button", { type: "button", class: "main", onclick: close }, "Done")),
  ]);
}

/** What the reader says of itself, and a way to ask it again. */
async function diagnose(line) {
  const path = `/v1/readers/${line.reader_id}/diagnostics`;
  const place = h("div", {});
  const show = (found) => {
    const rows = (found.report ?? "").split("\n").filter(Boolean).map((one) => {
      const end = one.indexOf(" ");
      return [h("dt", {}, one.slice(0, end)), h("dd", { class: "code" }, one.slice(end + 1))];
    });
    const waits = found.asked_at !== null && (found.taken_at === null || found.taken_at < found.asked_at);
    place.replaceChildren(
      h("p", {}, found.taken_at === null ? REPORT.none : `${REPORT.taken} ${since(found.taken_at)}`),
      ...(waits ? [h("p", {}, REPORT.waits)] : []),
      h("dl", { class: "pairs" }, ...rows));
  };
  show(await read(path));
  dialog(REPORT.title, (close) => [
    place,
    h("div", { class: "actions" },
      h("button", { type: "button", onclick: async () => show(await send(path)) }, REPORT.ask),
      h("button", { type: "button", onclick: async () => show(await read(path)) }, REPORT.look),
      h("button", { type: "button", class: "main", onclick: close }, "Done")),
  ]);
}

function replace(line, again) {
  dialog("Replace a dead reader", (close) => [
    h("p", {}, "The new board takes over the machine. The old one is revoked; what it sold and has not told yet counts as unknown."),
    form({
      fields: keyFields(),
      submit: "Replace",
      send: async (values) => {
        const answer = await send(`/v1/readers/${line.reader_id}/replace`, keys(values));
        close();
        told("The reader is replaced", answer, again);
      },
      more: h("button", { type: "button", onclick: close }, "Cancel"),
    }),
  ]);
}

"use strict";
// Keeps the page at the state of the run: over http the content is fetched and put in place, from a file
// system, where pages may not fetch, the page is loaded again. What the reader opened stays open.
(() => {
  const root = document.documentElement;
  const every = 1000 * Number(root.dataset.refresh || 0);
  const connection = document.getElementById("connection");
  const fromFile = location.protocol === "file:";
  const memory = "wq-runner:" + location.pathname;

  const opened = () => [...document.querySelectorAll("details[open][id]")].map((one) => one.id);
  const scrolled = () =>
    [...document.querySelectorAll(".scroll[id], pre[id]")].map((one) => [one.id, one.scrollTop, one.scrollLeft]);
  const restore = (ids, places) => {
    for (const id of ids) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, top, left] of places) document.getElementById(id)?.scrollTo(left, top);
  };

  // rows that do not have in their name what is looked for are left out
  const search = (input) => {
    const wanted = input.value.trim().toLowerCase();
    for (const row of document.querySelectorAll(`#${input.dataset.rows} tbody tr`)) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    }
  };
  const searched = () => [...document.querySelectorAll("input[type=search]")].map((one) => [one.id, one.value]);
  const look = (values) => {
    for (const input of document.querySelectorAll("input[type=search]")) {
      input.hidden = false;
      input.value = values.find(([id]) => id === input.id)?.[1] ?? "";
      search(input);
    }
  };
  document.addEventListener("input", ({ target }) => target.matches("input[type=search]") && search(target));

  const replace = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    const [ids, places, values, focus] = [opened(), scrolled(), searched(), document.activeElement?.id];
    document.title = next.title;
    root.dataset.state = next.documentElement.dataset.state;
    root.dataset.refresh = next.documentElement.dataset.refresh || "";
    for (const part of ["header", "main"]) {
      document.querySelector(part).replaceWith(document.importNode(next.querySelector(part), true));
    }
    look(values);
    restore(ids, places);
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  };

  const say = (text) => {
    if (connection.textContent !== text) connection.textContent = text;
  };

  const refresh = async () => {
    if (document.hidden) return;
    if (fromFile) {
      sessionStorage.setItem(memory, JSON.stringify([opened(), scrolled(), scrollY, searched()]));
      location.reload();
      return;
    }
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      replace(await answer.text());
      say("");
    } catch {
      say("no connection to the run: what you see is the last state that was known");
    }
  };

  if (fromFile) {
    const kept = JSON.parse(sessionStorage.getItem(memory) || "null");
    sessionStorage.removeItem(memory);
    look(kept?.[3] ?? []);
    if (kept) {
      restore(kept[0], kept[1]);
      scrollTo(0, kept[2]);
    }
  }
  if (!fromFile) look([]);
  if (every) {
    const timer = setInterval(() => (root.dataset.refresh ? refresh() : clearInterval(timer)), every);
    document.addEventListener("visibilitychange", () => root.dataset.refresh && refresh());
  }
})();

// Forms and links that change a part of the page in place. Without this file they still work.
"use strict";

const status = document.getElementById("status");
const offline = document.getElementById("offline");
const newest = new Map(); // per part: the newest request; an older answer that comes late is dropped
const later = new Map(); // per part: the timer of what is asked again after a while
const AGAIN_MS = [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000]; // what does not count yet
const MINUTE_S = 60;
let openFrom = 0; // when the server takes requests again, after it said that there were too many

// `shown`: the text can be seen where it belongs, and is only to be heard here.
function tell(text, bad = false, shown = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
  status.classList.toggle("unseen", shown);
  status.hidden = text === "";
}

async function reason(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.querySelector("main [role=alert]");
  return found ? found.textContent : `The server answered ${answer.status}.`;
}

function afterwards(part, ms, act) {
  clearTimeout(later.get(part));
  later.set(part, setTimeout(act, ms));
}

// What has the focus within a place, as a selector that finds it again in a newer one.
function spot(place) {
  const active = document.activeElement;
  if (!active || active === place || !place.contains(active)) return null;
  if (active.dataset.focus) return `[data-focus="${CSS.escape(active.dataset.focus)}"]`;
  const link = active.getAttribute("href");
  return link ? `a[href="${CSS.escape(link)}"]` : "[data-focus='']";
}

// Whether the server wants a pause first; then the same is asked again when it is over. A limit on
// ratings may last an hour: nobody is kept waiting for that.
function waits(answer, part, again, posts) {
  const seconds = Number(answer.headers.get("Retry-After"));
  if (answer.status !== 429 || !seconds || (posts && seconds > MINUTE_S)) return false;
  openFrom = Date.now() + 1000 * seconds;
  afterwards(part, 1000 * seconds, again);
  tell(`That was faster than the server lets one go. It goes on by itself in ${seconds} s.`);
  return true;
}

function show(part, made, calm) {
  const place = document.getElementById(part);
  const focused = spot(place);
  place.replaceChildren(made);
  const told = place.querySelector("[data-tell]");
  if (!calm || told) {
    tell(told ? told.dataset.tell : "", false, told !== null && "shown" in told.dataset);
  }
  const again = focused && place.querySelector(focused);
  if (again) again.focus({ preventScroll: true });
  else if (focused) place.focus({ preventScroll: true }); // what had it is gone: stay near
}

// `asked`: how often the part was asked again because something in it does not count yet.
async function put(part, url, options = {}, calm = false, asked = 0) {
  const place = document.getElementById(part);
  const mine = new AbortController();
  const again = () => put(part, url, options, false, asked);
  newest.get(part)?.abort();
  newest.set(part, mine);
  clearTimeout(later.get(part));
  if (!calm) place.classList.add("busy");
  place.setAttribute("aria-busy", "true");
  if (Date.now() < openFrom) {
    afterwards(part, openFrom - Date.now(), again);
    return;
  }
  let waiting = false;
  try {
    const answer = await fetch(url, {
      ...options, headers: { "X-Fragment": part }, credentials: "same-origin",
      signal: options.method ? undefined : mine.signal, // what was pressed is always heard out
    });
    offline.hidden = true;
    if (newest.get(part) !== mine) return;
    if (answer.redirected && !answer.url.startsWith(new URL(url, location).href)) {
      location.assign(answer.url); // the session is over, or the result is another page
      return;
    }
    if (!answer.ok) {
      waiting = waits(answer, part, again, options.method !== undefined);
      if (!waiting) tell(await reason(answer), true);
      return;
    }
    const made = document.createElement("template");
    made.innerHTML = await answer.text();
    const open = made.content.querySelector("[data-again]");
    if (!open || !asked) show(part, made.content, calm);
    if (open) askAgain(open, asked);
  } catch {
    if (newest.get(part) === mine) offline.hidden = false;
  } finally {
    if (newest.get(part) === mine && !waiting) {
      place.classList.remove("busy");
      place.removeAttribute("aria-busy");
    }
  }
}

// What was done is kept but does not count yet: the part is asked for again, less and less often.
function askAgain(open, asked = 0) {
  const { again, part } = open.dataset;
  if (asked >= AGAIN_MS.length) return;
  afterwards(part, AGAIN_MS[asked], () => put(part, again, {}, true, asked + 1));
}
for (const open of document.querySelectorAll("[data-again]")) askAgain(open);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  if (form.dataset.confirm) form.elements.sure.value = "yes"; // asked: the server need not ask again
  const part = form.dataset.into;
  if (!part) return;
  event.preventDefault();
  const fields = new FormData(form, event.submitter);
  if (form.method === "get") {
    const url = new URL(form.action);
    url.search = new URLSearchParams(fields);
    history.replaceState(null, "", url);
    put(part, url.href);
  } else {
    put(part, form.action, { method: "POST", body: new URLSearchParams(fields) });
  }
});

// The second click of a double click would hit what has come in the place of the first one's.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest("form[data-into] button")) event.preventDefault();
});

// A search answers as one types: after a pause of a quarter of a second, in the long run at most 40
// times a minute. That leaves an address more than half of its requests for everything else.
const LIVE_PAUSE_MS = 250, LIVE_BURST = 6, LIVE_EACH_MS = 1500;
let waiting = 0;

// Searches that may go at once; counted for the tab, since each page that opens starts anew.
function liveSaved() {
  const kept = JSON.parse(sessionStorage.getItem("live")) ?? { saved: LIVE_BURST, at: 0 };
  return Math.min(LIVE_BURST, kept.saved + (Date.now() - kept.at) / LIVE_EACH_MS);
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form || !("live" in form.dataset)) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const asked = new URLSearchParams(new FormData(form)).toString();
    if (asked === form.dataset.asked) return; // typed and taken back
    form.dataset.asked = asked;
    sessionStorage.setItem("live", JSON.stringify({ saved: liveSaved() - 1, at: Date.now() }));
    form.requestSubmit();
  }, Math.max(LIVE_PAUSE_MS, (1 - liveSaved()) * LIVE_EACH_MS));
});

// Parts that refresh themselves while their box is ticked: never while somebody reads in them with
// the keyboard or has opened a table, nor on a page that nobody sees.
for (const form of document.querySelectorAll("form[data-every]")) {
  form.querySelector(".needs-script").hidden = false;
  setInterval(() => {
    const place = document.getElementById(form.dataset.into);
    const read = place.contains(document.activeElement) || place.querySelector("details[open]");
    if (!form.querySelector("[data-repeat]").checked || read || document.hidden) return;
    put(form.dataset.into, form.action, {}, true);
  }, 1000 * Number(form.dataset.every));
}

window.addEventListener("offline", () => { offline.hidden = false; });
window.addEventListener("online", () => { offline.hidden = true; });

// Forms and links that change a part of the page in place. Without this file they still work.
"use strict";

const status = document.getElementById("status");
const offline = document.getElementById("offline");
const newest = new Map(); // per part: the newest request; an older answer that comes late is dropped

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

async function put(part, url, options = {}, calm = false) {
  const place = document.getElementById(part);
  const mine = Symbol(part);
  newest.set(part, mine);
  if (!calm) place.classList.add("busy");
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, {
      ...options, headers: { "X-Fragment": part }, credentials: "same-origin",
    });
    offline.hidden = true;
    if (newest.get(part) !== mine) return;
    if (answer.redirected && !answer.url.startsWith(new URL(url, location).href)) {
      location.assign(answer.url); // the session is over, or the result is another page
      return;
    }
    if (!answer.ok) {
      tell(await reason(answer), true);
      return;
    }
    const active = document.activeElement;
    const within = active && active !== place && place.contains(active);
    const focused = within ? active.dataset.focus : null;
    place.innerHTML = await answer.text();
    const told = place.querySelector("[data-tell]");
    if (!calm || told) {
      tell(told ? told.dataset.tell : "", false, told !== null && "shown" in told.dataset);
    }
    const again = focused && place.querySelector(`[data-focus="${CSS.escape(focused)}"]`);
    if (again) again.focus();
    else if (within) place.focus({ preventScroll: true }); // what had it is gone: stay near
  } catch {
    if (newest.get(part) === mine) offline.hidden = false;
  } finally {
    if (newest.get(part) === mine) {
      place.classList.remove("busy");
      place.removeAttribute("aria-busy");
    }
  }
}

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

// A search answers as one types, at most four times a second.
let waiting = 0;
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form || !("live" in form.dataset)) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => form.requestSubmit(), 250);
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

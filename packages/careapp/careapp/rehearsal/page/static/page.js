// Keeps the page as the server last described it. Nodes that stay the same stay: the focus, what is
// unfolded, chosen or scrolled does not jump.
"use strict";

const main = document.querySelector("main");
const lost = document.getElementById("lost");
const PATIENCE = 2000; // ms until a stream that was refused is tried again
const unfolded = new Set(); // what the reader has unfolded, should it go and come back
let stream = null;

function same(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName &&
    (old.nodeType !== Node.ELEMENT_NODE || old.dataset.key === fresh.dataset.key);
}

function attributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // What the reader has unfolded stays so.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function children(old, fresh) {
  const keyed = new Map();
  for (const node of old.children) if (node.dataset.key) keyed.set(node.dataset.key, node);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.dataset?.key ? keyed.get(wanted.dataset.key) : at && same(at, wanted) ? at : null;
    if (!known) {
      old.insertBefore(wanted, at);
    } else {
      if (known === at) at = at.nextSibling;
      else old.insertBefore(known, at);
      update(known, wanted);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function update(old, fresh) {
  if (!same(old, fresh)) {
    old.replaceWith(fresh);
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    attributes(old, fresh);
    children(old, fresh);
  } else if (old.data !== fresh.data) {
    old.data = fresh.data;
  }
}

// Every finding has the same keys for its details.
function place(details) {
  return `${details.closest("article")?.dataset.key} ${details.dataset.key}`;
}

function show(event) {
  const { html, title } = JSON.parse(event.data);
  const focused = document.activeElement;
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const each of body.querySelectorAll("details")) each.open = unfolded.has(place(each));
  children(main, body);
  // A node that was moved has lost the focus on its way.
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  document.title = title;
}

function alive(yes) {
  document.documentElement.dataset.live = yes ? "yes" : "no";
  lost.hidden = yes;
  lost.textContent = yes ? "" : lost.dataset.text;
}

function watch() {
  stream = new EventSource("/live" + location.search);
  stream.onopen = () => alive(true);
  stream.onmessage = show;
  stream.onerror = () => {
    alive(false);
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(() => document.hidden || watch(), PATIENCE);
  };
}

// Toggle events do not bubble; none comes from what is taken out of the page.
document.addEventListener("toggle", ({ target }) => {
  if (target.isConnected) unfolded[target.open ? "add" : "delete"](place(target));
}, true);

// A page that nobody sees asks nothing.
document.addEventListener("visibilitychange", () => {
  stream?.close();
  if (!document.hidden) watch();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const code = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code); // without the permission: ready for Ctrl-C
    return;
  }
  document.getElementById("said").textContent = document.body.dataset.copied;
  button.classList.add("copied");
  setTimeout(() => {
    document.getElementById("said").textContent = "";
    button.classList.remove("copied");
  }, 2000);
});

document.documentElement.classList.add("scripted");
if (!document.hidden) watch();

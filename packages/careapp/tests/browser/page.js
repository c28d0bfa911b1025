// What the tests ask of the rehearsal's page, and what they have its stream send.
window.tests = {
  overflow: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,

  cut: () => [...document.querySelectorAll(".table")].filter((each) => each.scrollWidth > each.clientWidth)
    .map((each) => each.dataset.key),

  focused() {
    const e = document.activeElement, shown = e.matches("input") ? e.nextElementSibling : e;
    const s = getComputedStyle(shown), b = shown.getBoundingClientRect();
    return { tag: e.tagName, text: (e.innerText || e.value || "").slice(0, 40), id: e.id,
             outline: s.outlineStyle, width: parseFloat(s.outlineWidth), seen: b.width > 1 && b.height > 1 };
  },

  // What the stream does first after the page is loaded; whether the reader's focus is where it was.
  firstShown() {
    stream.close();
    main.prepend("\n"); // the page's own main begins so, what the stream sends does not
    const chosen = document.querySelector("input[value=events]");
    chosen.focus();
    show({ data: JSON.stringify({ html: main.innerHTML.trim(), title: document.title }) });
    return document.activeElement === chosen;
  },

  // What the stream does when a line comes before the link, or goes again; what has the focus then.
  shownAnew(more) {
    const anew = new DOMParser().parseFromString(main.innerHTML, "text/html").body;
    const before = anew.querySelector(".verdict .open");
    if (more) before.insertAdjacentHTML("beforebegin", "<p class='more'>Something new.</p>");
    else anew.querySelector(".verdict .more").remove();
    show({ data: JSON.stringify({ html: anew.innerHTML, title: document.title }) });
    return document.activeElement.textContent;
  },

  // The classes of all lines and of the visible ones, read at once: the page is live.
  timeline() {
    const every = [...document.querySelectorAll(".happening")];
    const classes = (found) => found.map((each) => [...each.classList]);
    return [classes(every), classes(every.filter((each) => each.checkVisibility()))];
  },

  // The stream takes what was checked away, or what is around it, and brings it back folded; how much was left meanwhile.
  awayAndBack(what) {
    stream.close();
    const say = (html) => show({ data: JSON.stringify({ html, title: "" }) });
    const copy = document.querySelector("main").cloneNode(true);
    copy.querySelector("details.checked").open = false;
    const whole = copy.innerHTML;
    copy.querySelector(what).remove();
    say(copy.innerHTML);
    const away = document.querySelectorAll("details.checked").length;
    say(whole);
    return away;
  },

  hide() {
    Object.defineProperty(document, "hidden", { value: true });
    document.dispatchEvent(new Event("visibilitychange"));
    return stream.readyState;
  },
};

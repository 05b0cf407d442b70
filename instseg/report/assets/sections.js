// @ts-check
// Marks the link of the section that is being read.
(() => {
  "use strict";
  /** @type {Map<Element, HTMLAnchorElement>} */
  const links = new Map();
  for (const link of document.querySelectorAll(".sections a")) {
    const section = document.getElementById(link.getAttribute("href")?.slice(1) ?? "");
    if (section && link instanceof HTMLAnchorElement) {
      links.set(section, link);
    }
  }
  const reader = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const link = links.get(entry.target);
        if (entry.isIntersecting) {
          link?.setAttribute("aria-current", "true");
        } else {
          link?.removeAttribute("aria-current");
        }
      }
    },
    { rootMargin: "-25% 0px -74% 0px" },
  );
  for (const section of links.keys()) {
    reader.observe(section);
  }
})();

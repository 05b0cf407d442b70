// @ts-check
// The theme that was chosen last, before anything is painted; and the button that changes it.
(() => {
  "use strict";
  const KEY = "instseg-theme";
  const root = document.documentElement;

  /** @returns {string | null} */
  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a page without storage, as in a sandbox
    }
  }

  /** @param {string} theme */
  function store(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // it holds for this visit
    }
  }

  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  const chosen = stored();
  if (chosen === "light" || chosen === "dark") {
    root.dataset.theme = chosen;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme-toggle");
    if (!button) {
      return;
    }
    const describe = () => {
      button.title = isDark() ? "Light theme" : "Dark theme";
      button.setAttribute("aria-label", button.title);
    };
    button.hidden = false;
    describe();
    system.addEventListener("change", describe);
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
      describe();
    });
  });
})();

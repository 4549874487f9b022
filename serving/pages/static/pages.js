// The theme button, the form of a decision, and where the focus goes. Every page works without this file.

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

const button = document.getElementById("theme");
function showTheme() {
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  document.dispatchEvent(new Event("themechange"));
}
button.hidden = false;
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("keepwell-theme", root.dataset.theme);
  } catch {
    // not kept: it holds for this page
  }
  showTheme();
});
system.addEventListener("change", showTheme);
showTheme();

// What an override puts in place is asked only of an override, which also needs a reason.
const decide = document.querySelector("form.decide[action='/decisions']");
if (decide) {
  const show = () => {
    const isOverride = decide.elements.choice.value === "override";
    decide.querySelector(".override").hidden = !isOverride;
    decide.elements.reason.required = isOverride;
  };
  decide.addEventListener("change", show);
  show();
}

// An empty filter is left out of the address.
const filters = document.querySelector("form.filters");
if (filters) {
  filters.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
}

const fault = document.querySelector(".fault[tabindex]");
if (fault) fault.focus();

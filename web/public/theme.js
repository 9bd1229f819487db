// Before anything is drawn, so that nobody sees the other theme first.
try {
  var chosen = localStorage.getItem("greenroom.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch (error) {}

// A quiz: after "Check" the chosen answer says why it is right or wrong, and a line below counts.
for (const form of document.querySelectorAll("form.quiz:not(.quiz-on)")) {
  form.classList.add("quiz-on");
  form.addEventListener("submit", (event) => event.preventDefault());
  const score = Object.assign(document.createElement("p"), { className: "quiz-score" });
  score.setAttribute("role", "status");
  const questions = [...form.querySelectorAll("fieldset")];
  const count = () => {
    const right = questions.filter((question) => question.dataset.state === "right").length;
    const tried = questions.filter((question) => question.dataset.state).length;
    score.textContent = `${right} of ${questions.length} right${tried < questions.length ? `, ${tried} tried` : ""}.`;
  };
  for (const question of questions) {
    const details = question.querySelector("details");
    const said = Object.assign(document.createElement("div"), { className: "quiz-said" });
    said.setAttribute("role", "status");
    const none = Object.assign(document.createElement("p"), { textContent: "Choose an answer first.", hidden: true });
    const answers = [...details.querySelectorAll("li")];
    for (const answer of answers) answer.hidden = true;
    said.append(none, details.querySelector("ul"));
    const check = Object.assign(document.createElement("button"), { type: "button", textContent: "Check" });
    const show = (shown) => [none, ...answers].forEach((line) => { line.hidden = line !== shown; });
    check.addEventListener("click", () => {
      const chosen = question.querySelector("input:checked");
      const answer = chosen ? answers[chosen.value] : none;
      show(answer);
      if (chosen) question.dataset.state = "right" in answer.dataset ? "right" : "wrong";
      count();
    });
    question.addEventListener("change", () => show(null)); // what was said spoke of another choice
    details.replaceWith(check, said);
  }
  form.append(score);
}

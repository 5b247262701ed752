import ArgumentParser

/// Which model.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A Hugging Face directory, or an output of 'train', whose newest complete checkpoint is taken.",
      valueName: "dir"))
  var model: String
}

package import Checkpoints
package import LanguageModel

/// What a user wants trained: on which text, into which directory, which model, and how.
package struct TrainingRequest: Sendable {
  /// `--corpus`: text files, folders with text, or one safetensors file of token ids.
  package var corpus: [String]
  /// `--output`: the run's directory: checkpoints and, unless told otherwise, the metrics.
  package var output: String
  /// `--resume`: go on from the newest complete checkpoint in the output.
  package var resumes = false
  /// `--init-from`: a model to begin with.
  package var initializeFrom: String?
  /// `--preset`: the sizes of a new model; `tiny` if nothing is said.
  package var preset: ModelConfiguration.Preset?
  /// `--metrics`: where the measurements of each step go; `metrics.jsonl` in the output if nothing is said.
  package var metrics: String?

  /// `--keep`: how many checkpoints stay; all if nothing is said.
  package var keptCheckpoints: Int?
  /// `--check-replicas-every`: steps between comparisons of what several ranks hold; they are compared before each
  /// checkpoint too. `nil` never compares.
  package var replicaCheckInterval: Int? = 100
  /// Every step says what each rank has sent to each.
  package var measuresLinks = false
  /// Where the output is.
  package var files: any FileSystem = LocalFileSystem()

  /// `--vocabulary-size`: of a new tokenizer and model.
  package var vocabularySize: Int?
  /// `--experts`: in each expert layer of a new model.
  package var experts: Int?
  /// `--experts-per-token`: that each token visits in a new model.
  package var expertsPerToken: Int?
  /// `--balance-loss` and `--z-loss`: coefficients in the total loss; the model's if nothing is said.
  package var balanceLoss: Double?
  package var zLoss: Double?

  /// How it is trained.
  package var options = TrainingOptions()

  package init(corpus: [String], output: String) {
    self.corpus = corpus
    self.output = output
  }

  func checksReplicas(after step: Int, saving: Bool) -> Bool {
    replicaCheckInterval.map { saving || step % $0 == 0 } ?? false
  }

  var metricsPath: String { metrics ?? output + "/metrics.jsonl" }
}

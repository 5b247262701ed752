import LanguageModel
import Tensors

/// The names of a checkpoint's training state.
enum TrainingStateNames {
  static let optimizer = "optimizer.safetensors"
  static let state = "trainer_state.json"

  /// The three values of a parameter, in the order of the buffers that are streamed, and the prefix of their names.
  static let prefixes = ["", "first_moment.", "second_moment."]
  static let momentBuffers = 1..<3

  /// All tensors of a model in the byte order of their names: the order of our files and the numbers of pieces.
  static func slots(of configuration: ModelConfiguration) -> [ParameterSlot] {
    ModelLayout.whole(configuration).slots.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }
}

import ArgumentParser
import ExpertParallel
import Planning

/// One MoE layer and its batch, measured or predicted.
struct LayerFlags: ParsableArguments {
  @Option(help: "Tokens over all ranks.", transform: Parse.positive)
  var tokens = 2048

  @Option(help: "Width of a token.", transform: Parse.positive)
  var hiddenSize = 512

  @Option(help: "Width inside an expert.", transform: Parse.positive)
  var intermediateSize = 1792

  @Option(help: "Experts of the layer.", transform: Parse.positive)
  var experts = 8

  @Option(help: "Experts that each token goes to.", transform: Parse.positive)
  var expertsPerToken = 2

  @Option(help: "Of the experts: swiglu or gelu (the exact form, with erf).")
  var activation = ActivationName.swiglu

  @Option(help: "forward or train (forward and backward).")
  var mode = LayerBenchmark.Mode.train

  @Option(
    help: "Expert i is chosen in proportion to (i + 1)^−z; 0 makes no difference between them.",
    transform: Parse.notNegativeReal)
  var skew = 0.0

  /// Far beyond what is of use: all tokens choose the same experts.
  private static let steepestSkew = 10.0

  func validate() throws {
    guard expertsPerToken <= experts else {
      throw ValidationError("--experts-per-token \(expertsPerToken) is more than --experts \(experts)")
    }
    guard skew <= Self.steepestSkew else {
      throw ValidationError(
        "--skew \(skew) is more than \(Self.steepestSkew): all tokens would choose the same experts")
    }
  }

  /// As the cost model knows it.
  var shape: LayerShape {
    LayerShape(
      tokenCount: tokens, hiddenSize: hiddenSize, intermediateSize: intermediateSize, expertCount: experts,
      expertsPerToken: expertsPerToken, inputMatrixCount: activation.activation.inputMatrixCount)
  }

  /// Describes the layer in a line of results.
  func describe(in line: inout JSONLine) {
    line.append("tokens", .integer(tokens))
    line.append("hidden_size", .integer(hiddenSize))
    line.append("intermediate_size", .integer(intermediateSize))
    line.append("experts", .integer(experts))
    line.append("experts_per_token", .integer(expertsPerToken))
    line.append("skew", .real(skew))
  }
}

/// The experts' activation in the flag's spelling.
enum ActivationName: String, ExpressibleByArgument, CaseIterable {
  case swiglu, gelu

  var activation: ExpertActivation { self == .swiglu ? .swiGLU : .gelu }
}

extension LayerBenchmark.Mode: ExpressibleByArgument {}

/// An MoE layer and its batch, as far as its cost depends on it.
package struct LayerShape: Hashable, Sendable {
  /// T, over all ranks.
  package var tokenCount: Int
  /// D
  package var hiddenSize: Int
  /// F
  package var intermediateSize: Int
  /// E
  package var expertCount: Int
  /// K
  package var expertsPerToken: Int
  /// Matrices between a row and its intermediate units: 2 for SwiGLU, 1 for GELU. One more leads back.
  package var inputMatrixCount: Int

  package init(
    tokenCount: Int, hiddenSize: Int, intermediateSize: Int, expertCount: Int, expertsPerToken: Int,
    inputMatrixCount: Int
  ) {
    precondition(
      tokenCount >= 0 && hiddenSize > 0 && intermediateSize > 0 && expertsPerToken > 0 && inputMatrixCount > 0
        && expertsPerToken <= expertCount,
      "\(tokenCount) tokens of \(hiddenSize), \(expertsPerToken) of \(expertCount) experts of \(intermediateSize)")
    self.tokenCount = tokenCount
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
    self.inputMatrixCount = inputMatrixCount
  }

  /// Floating-point operations of one row in one expert, forward: 2·(matrices)·D·F.
  package var flopsPerRow: Double {
    2 * Double(inputMatrixCount + 1) * Double(hiddenSize) * Double(intermediateSize)
  }

  /// Parameters of one expert.
  package var parametersPerExpert: Double {
    Double(inputMatrixCount + 1) * Double(hiddenSize) * Double(intermediateSize)
  }

  /// Bytes of a row that travels, in f32.
  package var rowByteCount: Double { 4 * Double(hiddenSize) }
}

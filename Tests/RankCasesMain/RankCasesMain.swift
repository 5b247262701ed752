import RankCases
import TestSupport

@main
struct RankCasesMain {
  static func main() { RankProgram.run(rankCases) }
}

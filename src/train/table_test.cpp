#include "train/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace hindscan {
namespace {

using Cells = std::vector<std::string>;

std::vector<Cells> cells(const std::vector<TableRow>& rows) {
  std::vector<Cells> out;
  out.reserve(rows.size());
  for (const TableRow& row : rows) out.push_back(row.cells);
  return out;
}

std::string csv_failure(const std::string& text) {
  try {
    parse_csv(text, "f.csv");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    return e.message();
  }
  return "accepted";
}

TEST(CaseA8, CsvAsTheStandardHasIt) {
  const std::string text =
      "label,text\r\n1,\"a, b\"\n\n0,\"says \"\"no\"\"\nand \r\ngoes\"\r\n\"2\",\n,\"\"\n3,it's 5\" long";
  const std::vector<TableRow> rows = parse_csv(text, "f.csv");
  EXPECT_EQ(cells(rows), (std::vector<Cells>{{"label", "text"},
                                             {"1", "a, b"},
                                             {"0", "says \"no\"\nand \r\ngoes"},
                                             {"2", ""},
                                             {"", ""},
                                             {"3", "it's 5\" long"}}));
  EXPECT_EQ(rows[2].line, 4);
  EXPECT_EQ(rows[3].line, 7);
}

TEST(CaseA8, CsvSeparatorIsThatOfItsFirstRow) {
  EXPECT_EQ(cells(parse_csv("a;\"b,c\";d\n1;2,5;3\n", "f.csv")),
            (std::vector<Cells>{{"a", "b,c", "d"}, {"1", "2,5", "3"}}));
  EXPECT_EQ(cells(parse_csv("a\tb\n\"1\t\"\t2", "f.csv")), (std::vector<Cells>{{"a", "b"}, {"1\t", "2"}}));
}

TEST(CaseA8, BrokenCsvIsRefusedByLine) {
  EXPECT_THAT(csv_failure("a,b\n1,\"two\n\n"), testing::HasSubstr("[f.csv line 2] expected a closing quote"));
  EXPECT_THAT(csv_failure("a,b\n1,\"two\" and\n"), testing::HasSubstr("line 2] expected ',' after a closing quote"));
  EXPECT_THAT(csv_failure("a,b\n\"x\n\",2\n1,so, what\n"), testing::HasSubstr("line 4] expected 2 cells"));
  EXPECT_TRUE(parse_csv("", "f.csv").empty());
  EXPECT_TRUE(parse_csv("\n \n", "f.csv").empty());
}

TEST(CaseA8, TabsHaveNoQuotes) {
  const std::vector<TableRow> rows = parse_tsv("a\t\"b\r\n\n\t \n1\t\t2\n");
  EXPECT_EQ(cells(rows), (std::vector<Cells>{{"a", "\"b"}, {"1", "", "2"}}));
  EXPECT_EQ(rows[1].line, 4);
}

}  // namespace
}  // namespace hindscan

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Prints how a model answers questions of fixed choices, apart from how often it is right: which
/// choice it takes how often, and how well the difference of the first two log-likelihoods tells
/// questions of the one from those of the other (the area under the ROC curve), which does not
/// change if a model likes one word better.
///
///     pollard eval MODEL --tasks pubmedqa --limit 200 --log-samples --json one.json …
///     java -cp 'cli/target/lib/*' bench/Answers.java one.json …
void main(String[] files) throws Exception {
    IO.println("| model | right | chosen, by choice | true, by choice | first against second: area under the curve |");
    IO.println("|---|---|---|---|---|");
    for (String file : files) {
        var root = new ObjectMapper().readTree(Path.of(file).toFile());
        for (JsonNode samples : root.get("samples")) {
            int choices = samples.get(0).get("resps").size();
            int[] chosen = new int[choices];
            int[] truth = new int[choices];
            var differences = List.of(new ArrayList<Double>(), new ArrayList<Double>());
            double right = 0;
            for (JsonNode sample : samples) {
                int best = 0;
                for (int i = 1; i < choices; i++) {
                    best = likelihood(sample, i) > likelihood(sample, best) ? i : best;
                }
                int target = sample.get("target").asInt();
                chosen[best]++;
                truth[target]++;
                right += sample.get("acc").asDouble();
                if (target < 2) {
                    differences.get(target).add(likelihood(sample, 0) - likelihood(sample, 1));
                }
            }
            IO.println(
                    "| %s | %.3f | %s | %s | %.3f |"
                            .formatted(
                                    Path.of(file).getFileName(),
                                    right / samples.size(),
                                    Arrays.toString(chosen),
                                    Arrays.toString(truth),
                                    area(differences.get(0), differences.get(1))));
        }
    }
}

double likelihood(JsonNode sample, int choice) {
    return sample.get("resps").get(choice).get(0).asDouble();
}

double area(List<Double> above, List<Double> below) {
    double area = 0;
    for (double a : above) {
        for (double b : below) {
            area += a > b ? 1 : a == b ? 0.5 : 0;
        }
    }
    return area / above.size() / below.size();
}

using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Vireo.Cli.Configuration;

/// <summary>Makes options whose values are checked, with errors that name what is allowed.</summary>
internal static class Accept
{
    /// <summary>Makes an option that takes a whole number.</summary>
    /// <param name="name">Its word.</param>
    /// <param name="description">What it decides, in one sentence.</param>
    /// <param name="least">The smallest number allowed.</param>
    /// <param name="most">The largest number allowed.</param>
    /// <param name="usual">The number when the option is not there.</param>
    public static Option<int> Number(string name, string description, int least, int most, int usual) =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => usual,
            CustomParser = argument => ParseNumber(argument, name, least, most),
        };

    /// <summary>Makes an option that takes a whole number and has none when it is not there.</summary>
    /// <inheritdoc cref="Number"/>
    public static Option<int?> OptionalNumber(string name, string description, int least, int most) =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = argument => ParseNumber(argument, name, least, most),
        };

    private static int ParseNumber(ArgumentResult argument, string name, int least, int most)
    {
        string text = argument.Tokens.Count == 1 ? argument.Tokens[0].Value : "";
        bool isNumber = int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number);
        if (!isNumber || number < least || number > most)
        {
            argument.AddError($"{name} is '{text}', but has to be a number from {least} to {most}");
        }

        return number;
    }
}

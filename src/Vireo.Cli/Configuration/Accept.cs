using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Vireo.Cli.Configuration;

/// <summary>Makes options whose values are checked, with errors that name what is allowed.</summary>
internal static class Accept
{
    private const int SectorBytes = 512;

    /// <summary>No host can map more than this.</summary>
    private const long DiskBytesMax = 1L << 46;

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

    /// <summary>Makes an option that takes one of some words.</summary>
    /// <param name="name">Its word.</param>
    /// <param name="description">What it decides, in one sentence.</param>
    /// <param name="choices">
    /// The words and what they mean. The first holds when the option is not there; its value is the type's default.
    /// </param>
    public static Option<T> Choice<T>(string name, string description, params (string Word, T Value)[] choices)
        where T : struct, Enum
    {
        string[] words = Array.ConvertAll(choices, choice => choice.Word);
        string list = string.Join(", ", words);
        var option = new Option<T>(name)
        {
            Description = $"{description} One of {list}. [default: {words[0]}]",
            HelpName = "WORD",
            CustomParser = argument => ParseChoice(argument, name, list, choices),
        };
        option.CompletionSources.Clear();
        option.CompletionSources.Add(words);
        return option;
    }

    private static T ParseChoice<T>(
        ArgumentResult argument,
        string name,
        string words,
        (string Word, T Value)[] choices
    )
    {
        string text = argument.Tokens.Count == 1 ? argument.Tokens[0].Value : "";
        foreach ((string word, T value) in choices)
        {
            if (string.Equals(word, text, StringComparison.Ordinal))
            {
                return value;
            }
        }

        argument.AddError($"{name} is '{text}', but has to be one of {words}");
        return default!;
    }

    /// <summary>Makes an option that takes the size of a disk and has none when it is not there.</summary>
    /// <inheritdoc cref="Number"/>
    public static Option<long?> Size(string name, string description) =>
        new(name)
        {
            Description = description,
            HelpName = "SIZE",
            CustomParser = argument => ParseSize(argument, name),
        };

    /// <summary>Makes an option that takes a number of bytes, of any alignment, and has none when it is not there.</summary>
    /// <inheritdoc cref="Number"/>
    public static Option<long?> Bytes(string name, string description) =>
        new(name)
        {
            Description = description,
            HelpName = "SIZE",
            CustomParser = argument => ParseBytes(argument, name),
        };

    private static long ParseBytes(ArgumentResult argument, string name)
    {
        string text = argument.Tokens.Count == 1 ? argument.Tokens[0].Value : "";
        long? bytes = ByteSize.TryParse(text);
        if (bytes is not (>= 1 and <= DiskBytesMax))
        {
            argument.AddError($"{name} is '{text}', but has to be a number of bytes such as 4096, 512K or 100M");
        }

        return bytes ?? 0;
    }

    private static long ParseSize(ArgumentResult argument, string name)
    {
        string text = argument.Tokens.Count == 1 ? argument.Tokens[0].Value : "";
        long? size = ByteSize.TryParse(text);
        if (size is not (>= SectorBytes and <= DiskBytesMax) || size % SectorBytes != 0)
        {
            argument.AddError(
                $"{name} is '{text}', but has to be a size such as 512M or 10G, in whole sectors of 512 bytes"
            );
        }

        return size ?? 0;
    }

    /// <summary>Makes an option that takes a power of two.</summary>
    /// <param name="name">Its word.</param>
    /// <param name="description">What it decides, in one sentence.</param>
    /// <param name="least">The smallest number allowed.</param>
    /// <param name="most">The largest number allowed.</param>
    /// <param name="usual">The number when the option is not there; null for 0, which the description explains.</param>
    public static Option<int> PowerOfTwo(string name, string description, int least, int most, int? usual = null)
    {
        var option = new Option<int>(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = argument => ParsePowerOfTwo(argument, name, least, most),
        };
        if (usual is { } value)
        {
            option.DefaultValueFactory = _ => value;
        }

        return option;
    }

    private static int ParsePowerOfTwo(ArgumentResult argument, string name, int least, int most)
    {
        string text = argument.Tokens.Count == 1 ? argument.Tokens[0].Value : "";
        bool isNumber = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
        if (!isNumber || number < least || number > most || !BitOperations.IsPow2(number))
        {
            argument.AddError($"{name} is '{text}', but has to be a power of two from {least} to {most}");
        }

        return number;
    }

    /// <summary>Makes an option that takes numbers with commas between them.</summary>
    /// <param name="name">Its word.</param>
    /// <param name="description">What it decides, in one sentence.</param>
    /// <param name="most">The largest number allowed.</param>
    public static Option<int[]> Numbers(string name, string description, int most) =>
        new(name)
        {
            Description = description,
            HelpName = "N,...",
            DefaultValueFactory = _ => [],
            CustomParser = argument => ParseNumbers(argument, name, most),
        };

    private static int[] ParseNumbers(ArgumentResult argument, string name, int most)
    {
        string text = argument.Tokens.Count == 1 ? argument.Tokens[0].Value : "";
        string[] parts = text.Split(',');
        int[] numbers = new int[parts.Length];
        for (int index = 0; index < parts.Length; index++)
        {
            bool isNumber = int.TryParse(
                parts[index],
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out numbers[index]
            );
            if (!isNumber || numbers[index] > most)
            {
                argument.AddError(
                    $"{name} is '{text}', but has to be numbers from 0 to {most} with commas between them"
                );
                return [];
            }
        }

        return numbers;
    }

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

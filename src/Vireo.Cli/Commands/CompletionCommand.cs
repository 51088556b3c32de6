using System.CommandLine;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands;

/// <summary>Prints the script that lets a shell complete Vireo's command line.</summary>
/// <remarks>The scripts ask <c>vireo [suggest:CURSOR] LINE</c>, so they know every option of the installed version.</remarks>
internal static class CompletionCommand
{
    private const string Examples = """
          Complete in this shell and in every later one:
            vireo completion bash > ~/.local/share/bash-completion/completions/vireo
            vireo completion zsh > "${fpath[1]}/_vireo"
            vireo completion fish > ~/.config/fish/completions/vireo.fish
        """;

    /// <summary>Readline splits words at '=' and ':', so only what follows them may be answered.</summary>
    private const string Bash = """
        # Completion of vireo for bash.
        _vireo() {
            local line="${COMP_LINE:0:COMP_POINT}" word="${COMP_WORDS[COMP_CWORD]}" IFS=$'\n'
            [ "$word" = '=' ] && word=''
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$COMP_POINT]" "$line" 2>/dev/null)" -- "$word"))
            [ "${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
        }
        complete -o filenames -o nosort -F _vireo vireo
        """;

    private const string Zsh = """
        #compdef vireo
        # Completion of vireo for zsh.
        _vireo() {
            local -a words_known
            words_known=("${(@f)$("${words[1]}" "[suggest:$((CURSOR))]" "${BUFFER[1,CURSOR]}" 2>/dev/null)}")
            words_known=(${words_known:#})
            (( ${#words_known} )) && compadd -- "${words_known[@]}"
            _files
        }
        if [ "${funcstack[1]}" = _vireo ]; then _vireo "$@"; else compdef _vireo vireo; fi
        """;

    private const string Fish = """
        # Completion of vireo for fish.
        function __vireo_complete
            set --local line (commandline --cut-at-cursor)
            vireo "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete --command vireo --arguments '(__vireo_complete)'
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new DocumentedCommand(
            "completion",
            "Print a script that completes Vireo's command line in a shell.",
            Examples
        )
        {
            shell,
        };
        command.SetAction(result =>
            context.Output.WriteLine(
                result.GetRequiredValue(shell) switch
                {
                    "zsh" => Zsh,
                    "fish" => Fish,
                    _ => Bash,
                }
            )
        );
        return command;
    }
}

"""Definitions of the methods in LaTeX, as the docstrings of the plugins have them."""

from typing import Final

SCORES: Final = {
    "fisher": r"s_l = \frac{1}{N}\sum_{n=1}^{N}\sum_{w\in\theta_l}\Bigl(\frac{\partial \ell_n}{\partial w}\Bigr)^{2}",
    "gradient": r"s_l = \frac{1}{N}\sum_{n=1}^{N}\Bigl\lVert\frac{\partial \ell_n}{\partial\theta_l}\Bigr\rVert_2",
    "attention": r"s_l = \operatorname{mean}_{n,h,t}\Bigl(1-\frac{H(a_{n,h,t})}{\log v_t}\Bigr)",
    "block-influence": r"s_l = \operatorname{mean}_{n,t}\bigl(1-\cos(h^{\text{in}}_{n,t},h^{\text{out}}_{n,t})\bigr)",
    "angular": r"s_l = \frac{1}{N}\sum_{n=1}^{N}\frac{1}{\pi}\arccos\cos\bigl(h^{\text{in}}_{n,T_n},h^{\text{out}}_{n,T_n}\bigr)",
    "norm-ratio": (
        r"s_l = \operatorname{mean}_{n,t}\frac{\lVert h^{\text{out}}_{n,t}-h^{\text{in}}_{n,t}\rVert}{\lVert h^{\text{out}}_{n,t}\rVert}"
    ),
    "taylor": (
        r"s_l = \frac{1}{N}\sum_{n=1}^{N}\Bigl\lvert\sum_t\Bigl\langle\frac{\partial\ell_n}{\partial h^{\text{out}}_{n,t}},"
        r"h^{\text{out}}_{n,t}-h^{\text{in}}_{n,t}\Bigr\rangle\Bigr\rvert"
    ),
    "magnitude": r"s_l = \sum_{w\in\theta_l}\lvert w\rvert",
    "hybrid": r"s_l = \sum_k w_k\,r(s^{(k)})_l\Big/\sum_k w_k",
    "fitted-hybrid": (
        r"s_l = \sum_k w_k\,r(s^{(k)})_l\Big/\sum_k w_k,\qquad w=\operatorname*{arg\,min}_{w\ge 0}"
        r"\Bigl\lVert r(s^{\text{drop}})-\sum_k w_k\,r(s^{(k)})\Bigr\rVert^2+\lambda\lVert w-\bar w\rVert^2"
    ),
    "drop-loss": r"s_l = L(\text{model without layer }l)-L(\text{model})",
}
"""Scorer → the score of layer l."""
STRATEGIES: Final = {
    "top-k": r"K=\operatorname{top}_k(s)",
    "strategic": r"K=\{0,\,L-1\}\cup\operatorname{top}_{k-2}\bigl(s_1,\dots,s_{L-2}\bigr)",
    "distributed": r"K=\bigcup_{i=1}^{3}\operatorname{top}_{k_i}\bigl(s\text{ on the }i\text{-th third of the depth}\bigr)",
    "contiguous": r"K=\{0,\dots,L-1\}\setminus\operatorname*{arg\,min}_{\text{blocks }B,\,\lvert B\rvert=L-k}\sum_{l\in B}s_l",
    "greedy": r"K_{j-1}=K_j\setminus\bigl\{\operatorname*{arg\,min}_{l\in K_j}L\bigl(K_j\setminus\{l\}\bigr)\bigr\}",
    "first": r"K=\{0,\dots,k-1\}",
    "last": r"K=\{L-k,\dots,L-1\}",
    "ends": r"K=\{0,\dots,\lceil k/2\rceil-1\}\cup\{L-\lfloor k/2\rfloor,\dots,L-1\}",
    "uniform": r"K=\bigl\{\lfloor(i+\tfrac12)L/k\rfloor : i=0,\dots,k-1\bigr\}",
    "random": r"K=\text{the first }k\text{ of a seeded shuffle of }\{0,\dots,L-1\}",
}
"""Strategy → the kept layers."""
LOSSES: Final = {
    "labels": r"\sum_n -\log q_n(y_n)",
    "soft-targets": r"T^2\sum_n \mathrm{KL}\bigl(p_n^{T}\,\Vert\,q_n^{T}\bigr)",
    "reverse-kl": r"T^2\sum_n \mathrm{KL}\bigl(q_n^{T}\,\Vert\,p_n^{T}\bigr)",
    "skew-kl": r"T^2\sum_n \mathrm{KL}\bigl(p_n^{T}\,\Vert\,\alpha p_n^{T}+(1-\alpha)q_n^{T}\bigr)\ \text{(forward)}",
    "jensen-shannon": (
        r"T^2\sum_n\beta\,\mathrm{KL}\bigl(p_n^{T}\Vert m_n\bigr)+(1-\beta)\,\mathrm{KL}\bigl(q_n^{T}\Vert m_n\bigr),"
        r"\quad m_n=\beta p_n^{T}+(1-\beta)q_n^{T}"
    ),
    "logits-mse": r"\sum_n\frac{1}{\lvert V\rvert}\sum_{v\in V}\bigl((z_{n,v}-\bar z_n)-(u_{n,v}-\bar u_n)\bigr)^2",
    "ranking": r"\sum_n\sum_{r=1}^{k} w_r\Bigl(\log\sum_{v\in V_r}e^{z_{n,v}}-z_{n,\pi_n(r)}\Bigr)",
    "hidden-states": r"\sum_t\frac{1}{\lvert K\rvert}\sum_{j}d\bigl(h^{S}_{j,t},h^{T}_{K_j,t}\bigr)",
    "contrastive": r"\sum_n-\log\frac{\exp(\cos(Ph^S_n,h^T_n)/\tau)}{\sum_m\exp(\cos(Ph^S_n,h^T_m)/\tau)}",
    "attention-relations": (
        r"\sum_t\frac{1}{\lvert\text{pairs}\rvert}\sum_{\text{pairs}}\sum_{\text{relations}}\frac1R\sum_{r=1}^{R}"
        r"\mathrm{KL}\bigl(p_{r,t}\,\Vert\,q_{r,t}\bigr)"
    ),
}
"""Loss → its sum over the terms of a batch."""
BALANCINGS: Final = {
    "fixed": r"\lambda_k = w_k",
    "ema": r"\lambda_k = \frac{w_k}{\sum_j w_j}\Big/\overline{\lvert L_k\rvert}",
    "uncertainty": r"\lambda_k = \frac{w_k}{2e^{s_k}}",
    "dwa": r"\lambda_k = w_k\,K\operatorname{softmax}_k(r_k/T)",
    "gradnorm": r"\lambda_k\lVert\nabla L_k\rVert \to \frac{w_k}{\bar w}\,\bar G\,r_k^{\alpha}",
    "linear": r"\lambda_k(t) = \lambda_k^{0}+\tfrac{t}{T}\bigl(\lambda_k^{1}-\lambda_k^{0}\bigr)",
}
"""Balancing → the multiplier of loss k."""
METRICS: Final = {
    "hr": r"\mathrm{HR@}k=\frac1N\sum_n[r_n\le k]",
    "ndcg": r"\mathrm{NDCG@}k=\frac1N\sum_n\frac{[r_n\le k]}{\log_2(r_n+1)}",
    "mrr": r"\mathrm{MRR@}k=\frac1N\sum_n\frac{[r_n\le k]}{r_n}",
    "accuracy": r"\text{accuracy}=\frac1N\sum_n[\hat y_n=y_n]",
    "mae": r"\mathrm{MAE}=\frac1N\sum_n\lvert\hat y_n-y_n\rvert",
    "rmse": r"\mathrm{RMSE}=\sqrt{\frac1N\sum_n(\hat y_n-y_n)^2}",
    "auc": r"\mathrm{AUC}=\text{the share of (clicked, other) pairs in the right order}",
}
"""Metric → its definition, with ``r_n`` the rank of the target of case n."""
